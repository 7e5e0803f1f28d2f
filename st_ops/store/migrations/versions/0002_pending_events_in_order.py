"""Find the pending events in the order in which they are matched, without a look at those that are done."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_PENDING = sa.text("status = 'pending'")


def upgrade() -> None:
    """Apply."""
    _index(["seq", "partition"])


def downgrade() -> None:
    """Undo."""
    _index(["partition", "seq"])


def _index(columns: list[str]) -> None:
    op.drop_index("ix_event_pending", table_name="event")
    op.create_index("ix_event_pending", "event", columns, sqlite_where=_PENDING, postgresql_where=_PENDING)
