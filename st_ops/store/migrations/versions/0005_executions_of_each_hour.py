"""Keep how many executions each hour has: a late page of all of them is found without passing over the others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply: the hours are counted by and by."""
    op.create_table(
        "execution_hour",
        sa.Column("hour", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("hour", name="pk_execution_hour"),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("execution_hour")
