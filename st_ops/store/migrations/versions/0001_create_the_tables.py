"""Create the tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            nullable=False,
        ),
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("trace_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_id")),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("ix_audit_at", ["at"], unique=False)
        batch_op.create_index("ix_audit_subject_id", ["subject_id"], unique=False)
        batch_op.create_index("ix_audit_trace_id", ["trace_id"], unique=False)

    op.create_table(
        "counter",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counter")),
    )
    op.create_table(
        "enforcement",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("rule_ref", sa.Text(), nullable=False),
        sa.Column("event_id", sa.String(length=24), nullable=False),
        sa.Column("execution_id", sa.String(length=24), nullable=True),
        sa.Column("failure_reason", sa.Text(), nullable=False),
        sa.Column("enforced_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enforcement")),
        sa.UniqueConstraint("event_id", "rule_ref", name=op.f("uq_enforcement_event_id_rule_ref")),
    )
    with op.batch_alter_table("enforcement", schema=None) as batch_op:
        batch_op.create_index("ix_enforcement_enforced_at", ["enforced_at"], unique=False)
        batch_op.create_index("ix_enforcement_rule_ref", ["rule_ref", "enforced_at"], unique=False)

    op.create_table(
        "event",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            nullable=False,
        ),
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("occurrence_time", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("delivery", sa.Text(), nullable=True),
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("episode", sa.Text(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("trace_id", sa.String(length=24), nullable=False),
        sa.Column("trace_tag", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("repeats", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_event")),
        sa.UniqueConstraint("delivery", name=op.f("uq_event_delivery")),
        sa.UniqueConstraint("id", name=op.f("uq_event_id")),
    )
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.create_index("ix_event_occurrence_time", ["occurrence_time"], unique=False)
        batch_op.create_index(
            "ix_event_pending",
            ["partition", "seq"],
            unique=False,
            sqlite_where=sa.text("status = 'pending'"),
            postgresql_where=sa.text("status = 'pending'"),
        )
        batch_op.create_index("ix_event_trigger", ["trigger", "seq"], unique=False)

    op.create_table(
        "execution",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("runner", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.String(length=24), nullable=True),
        sa.Column("root_id", sa.String(length=24), nullable=False),
        sa.Column("task", sa.Text(), nullable=True),
        sa.Column("task_key", sa.Text(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("trigger_instance_id", sa.String(length=24), nullable=True),
        sa.Column("trace_id", sa.String(length=24), nullable=False),
        sa.Column("run_key", sa.Text(), nullable=True),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("needs", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("idempotent", sa.Boolean(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("timeout", sa.Float(), nullable=True),
        sa.Column("waits_for_slot", sa.Boolean(), nullable=False),
        sa.Column("worker_id", sa.String(length=24), nullable=True),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("ready_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("start_timestamp", sa.BigInteger(), nullable=True),
        sa.Column("end_timestamp", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("result_size", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("notify", sa.Text(), nullable=False),
        sa.Column("parent_notified", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_execution")),
    )
    with op.batch_alter_table("execution", schema=None) as batch_op:
        batch_op.create_index("ix_execution_action", ["action", "created_at", "id"], unique=False)
        batch_op.create_index("ix_execution_created_at", ["created_at", "id"], unique=False)
        batch_op.create_index(
            "ix_execution_ready",
            ["queue", sa.text("priority DESC"), "ready_at", "id"],
            unique=False,
            sqlite_where=sa.text(
                "status IN ('requested', 'scheduled', 'delayed') AND waits_for_slot = false"
            ),
            postgresql_where=sa.text(
                "status IN ('requested', 'scheduled', 'delayed') AND waits_for_slot = false"
            ),
        )
        batch_op.create_index(
            "ix_execution_held",
            ["worker_id"],
            unique=False,
            sqlite_where=sa.text(
                "status IN ('running', 'pending', 'pausing', 'paused', 'resuming', 'canceling')"
            ),
            postgresql_where=sa.text(
                "status IN ('running', 'pending', 'pausing', 'paused', 'resuming', 'canceling')"
            ),
        )
        batch_op.create_index(
            "ix_execution_roots",
            ["created_at", "id"],
            unique=False,
            sqlite_where=sa.text("parent_id IS NULL"),
            postgresql_where=sa.text("parent_id IS NULL"),
        )
        batch_op.create_index("ix_execution_runner", ["runner", "created_at", "id"], unique=False)
        batch_op.create_index("ix_execution_status", ["status", "created_at", "id"], unique=False)
        batch_op.create_index("ix_execution_trace_id", ["trace_id"], unique=False)
        batch_op.create_index("ix_execution_user", ["user", "created_at", "id"], unique=False)
        batch_op.create_index(
            "ix_execution_unnoticed",
            ["parent_id"],
            unique=False,
            sqlite_where=sa.text("parent_notified = false AND end_timestamp IS NOT NULL"),
            postgresql_where=sa.text("parent_notified = false AND end_timestamp IS NOT NULL"),
        )
        batch_op.create_index(
            "uq_execution_run_key",
            ["run_key", "action"],
            unique=True,
            sqlite_where=sa.text("run_key IS NOT NULL"),
            postgresql_where=sa.text("run_key IS NOT NULL"),
        )
        batch_op.create_index(
            "uq_execution_task",
            ["parent_id", "task_key"],
            unique=True,
            sqlite_where=sa.text("task_key IS NOT NULL"),
            postgresql_where=sa.text("task_key IS NOT NULL"),
        )

    op.create_table(
        "slot",
        sa.Column("execution_id", sa.String(length=24), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("limit", sa.Integer(), nullable=False),
        sa.Column("admitted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("execution_id", "key", name=op.f("pk_slot")),
    )
    op.create_index("ix_slot_key", "slot", ["key", "admitted"], unique=False)
    op.create_index(
        "ix_slot_waiting",
        "slot",
        ["key"],
        unique=False,
        sqlite_where=sa.text("admitted = false"),
        postgresql_where=sa.text("admitted = false"),
    )
    op.create_table(
        "rate",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("given", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rate")),
    )
    op.create_table(
        "artifact",
        sa.Column("execution_id", sa.String(length=24), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("execution_id", "name", name=op.f("pk_artifact")),
    )
    op.create_index("ix_artifact_created_at", "artifact", ["created_at"], unique=False)
    op.create_table(
        "execution_result",
        sa.Column("execution_id", sa.String(length=24), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("execution_id", name=op.f("pk_execution_result")),
    )
    op.create_table(
        "key_value",
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("secret", sa.Boolean(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("expire_timestamp", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "name", name=op.f("pk_key_value")),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(length=24), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "sensor_state",
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(length=24), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("phase", sa.String(length=16), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("ref", name=op.f("pk_sensor_state")),
    )
    op.create_table(
        "output",
        sa.Column("execution_id", sa.String(length=24), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stream", sa.String(length=8), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("execution_id", "seq", name=op.f("pk_output")),
    )
    op.create_table(
        "pack",
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("problems", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("ref", name=op.f("pk_pack")),
    )
    op.create_table(
        "rejected_event",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejected_event")),
    )
    with op.batch_alter_table("rejected_event", schema=None) as batch_op:
        batch_op.create_index("ix_rejected_event_at", ["at"], unique=False)

    op.create_table(
        "resource",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("pack", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=True),
        sa.Column("source", sa.String(length=8), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "ref", name=op.f("pk_resource")),
        sa.UniqueConstraint("id", name=op.f("uq_resource_id")),
    )
    with op.batch_alter_table("resource", schema=None) as batch_op:
        batch_op.create_index("ix_resource_pack", ["kind", "pack"], unique=False)

    op.create_table(
        "token",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
        sa.UniqueConstraint("digest", name=op.f("uq_token_digest")),
    )
    op.create_table(
        "worker",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("queues", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("draining", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
    )
    op.create_table(
        "workflow_log",
        sa.Column("workflow_id", sa.String(length=24), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workflow_id", "seq", name=op.f("pk_workflow_log")),
    )

    over = "parent_id IS NULL AND end_timestamp IS NOT NULL"
    _partial("ix_execution_over", "execution", ["end_timestamp", "id"], over)
    _partial("ix_execution_parent", "execution", ["parent_id", "created_at", "id"], "parent_id IS NOT NULL")
    _partial("ix_execution_rule", "execution", ["rule", "created_at", "id"], "rule IS NOT NULL")
    unsuccessful = ["status", "created_at", "id", "action", "user", "rule", "runner", "parent_id"]
    few = "status IN ('failed', 'timeout', 'abandoned', 'canceled')"
    _partial("ix_execution_unsuccessful", "execution", unsuccessful, few)
    instance = "trigger_instance_id"
    _partial("ix_execution_instance", "execution", [instance], f"{instance} IS NOT NULL")
    for table, column in (("key_value", "expire_timestamp"), ("token", "expires_at")):
        _partial(f"ix_{table}_{column}", table, [column], f"{column} IS NOT NULL")


def _partial(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Undo."""
    for name in (
        "audit",
        "counter",
        "enforcement",
        "event",
        "execution",
        "slot",
        "rate",
        "artifact",
        "execution_result",
        "key_value",
        "lease",
        "output",
        "pack",
        "rejected_event",
        "resource",
        "sensor_state",
        "token",
        "worker",
        "workflow_log",
    ):
        op.drop_table(name)
