"""Find what ended without success by its action, user or rule, without a look at all that ended so."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_UNSUCCESSFUL = sa.text("status IN ('failed', 'timeout', 'abandoned', 'canceled')")
_ALL = "ix_execution_unsuccessful"
_BY = ("action", "user", "rule")


def upgrade() -> None:
    """Apply."""
    op.drop_index(_ALL, table_name="execution")
    _index(_ALL, ["status", "created_at", "id", "runner", "parent_id"])
    for column in _BY:
        _index(f"ix_execution_{column}_unsuccessful", [column, "status", "created_at", "id"])


def downgrade() -> None:
    """Undo."""
    for column in _BY:
        op.drop_index(f"ix_execution_{column}_unsuccessful", table_name="execution")
    op.drop_index(_ALL, table_name="execution")
    _index(_ALL, ["status", "created_at", "id", "action", "user", "rule", "runner", "parent_id"])


def _index(name: str, columns: list[str]) -> None:
    op.create_index(name, "execution", columns, sqlite_where=_UNSUCCESSFUL, postgresql_where=_UNSUCCESSFUL)
