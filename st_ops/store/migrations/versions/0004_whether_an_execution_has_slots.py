"""Note with an execution whether it has slots, so that whoever ends it need not look for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply: those that are there may all have slots."""
    op.add_column("execution", sa.Column("limited", sa.Boolean(), nullable=False, server_default=sa.true()))


def downgrade() -> None:
    """Undo."""
    op.drop_column("execution", "limited")
