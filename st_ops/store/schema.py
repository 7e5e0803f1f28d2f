"""The tables. Migrations create them; a test holds the migrations against this file."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
    true,
)

from st_ops.store.types import Json, Micros

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: A growing number; plain INTEGER on SQLite, where only that name makes a rowid alias.
_Sequence = BigInteger().with_variant(Integer(), "sqlite")


def _id(name: str = "id", *, nullable: bool = False) -> Column[str]:
    return Column(name, String(24), nullable=nullable)


# A partial index serves a query only when the query states the same condition in the same words,
# so both use these.
PENDING = "status = 'pending'"
READY = "status IN ('requested', 'scheduled', 'delayed') AND waits_for_slot = false"
HELD = "status IN ('running', 'pending', 'pausing', 'paused', 'resuming', 'canceling')"
UNNOTICED = "parent_notified = false AND end_timestamp IS NOT NULL"
PARENTLESS = "parent_id IS NULL"
#: Ends that are few and asked for often: lists of them have indexes of their own.
UNSUCCESSFUL = "status IN ('failed', 'timeout', 'abandoned', 'canceled')"
#: Executions whose age decides whether they and what they started are still kept.
ROOT_OVER = "parent_id IS NULL AND end_timestamp IS NOT NULL"


def _where(name: str, table_columns: tuple[str, ...], condition: str, *, unique: bool = False) -> Index:
    columns = [text(column) if " " in column else column for column in table_columns]
    return Index(
        name, *columns, unique=unique, sqlite_where=text(condition), postgresql_where=text(condition)
    )


#: Trigger instances. ``partition`` = hash of the series: one engine at a time matches a partition, in ``seq`` order.
event = Table(
    "event",
    metadata,
    Column("seq", _Sequence, Identity(), primary_key=True),
    Column("id", String(24), nullable=False, unique=True),
    Column("trigger", Text, nullable=False),
    Column("payload", Json, nullable=False),
    Column("occurrence_time", Micros, nullable=False),
    Column("status", String(20), nullable=False),
    Column("delivery", Text, unique=True),
    Column("series", Text, nullable=False),
    Column("episode", Text, nullable=False),
    Column("partition", SmallInteger, nullable=False),
    _id("trace_id"),
    Column("trace_tag", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("repeats", Integer, nullable=False),
    _where("ix_event_pending", ("seq", "partition"), PENDING),
    Index("ix_event_trigger", "trigger", "seq"),
    Index("ix_event_occurrence_time", "occurrence_time"),
)

#: Guarantee 2: one event and one rule make at most one enforcement, so at most one execution.
enforcement = Table(
    "enforcement",
    metadata,
    Column("id", String(24), primary_key=True),
    Column("rule_ref", Text, nullable=False),
    _id("event_id"),
    _id("execution_id", nullable=True),
    Column("failure_reason", Text, nullable=False),
    Column("enforced_at", Micros, nullable=False),
    Column("status", String(20), nullable=False),
    UniqueConstraint("event_id", "rule_ref"),
    Index("ix_enforcement_rule_ref", "rule_ref", "enforced_at"),
    Index("ix_enforcement_enforced_at", "enforced_at"),
)

rejected_event = Table(
    "rejected_event",
    metadata,
    Column("id", String(24), primary_key=True),
    Column("at", Micros, nullable=False),
    Column("source", Text, nullable=False),
    Column("status_code", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_rejected_event_at", "at"),
)

#: ``parent_notified`` is false until the workflow engine has taken note of a finished child.
execution = Table(
    "execution",
    metadata,
    Column("id", String(24), primary_key=True),
    Column("action", Text, nullable=False),
    Column("runner", Text, nullable=False),
    Column("status", String(12), nullable=False),
    Column("parameters", Json, nullable=False),
    Column("context", Json, nullable=False),
    Column("user", Text, nullable=False),
    _id("parent_id", nullable=True),
    _id("root_id"),
    Column("task", Json),
    Column("task_key", Text),
    Column("rule", Text),
    _id("trigger_instance_id", nullable=True),
    _id("trace_id"),
    Column("run_key", Text),
    Column("queue", Text, nullable=False),
    Column("needs", Json, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("idempotent", Boolean, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("retries", Integer, nullable=False),
    Column("timeout", Float),
    Column("waits_for_slot", Boolean, nullable=False),
    # False: it has no rows in ``slot``, and nobody need look for them.
    Column("limited", Boolean, nullable=False, server_default=true()),
    _id("worker_id", nullable=True),
    Column("token", Integer, nullable=False),
    Column("ready_at", Micros, nullable=False),
    Column("created_at", Micros, nullable=False),
    Column("start_timestamp", Micros),
    Column("end_timestamp", Micros),
    Column("result", Json),
    Column("result_size", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("notify", Json, nullable=False),
    Column("parent_notified", Boolean, nullable=False),
    _where("ix_execution_ready", ("queue", "priority DESC", "ready_at", "id"), READY),
    _where("ix_execution_held", ("worker_id",), HELD),
    _where("ix_execution_unnoticed", ("parent_id",), UNNOTICED),
    _where("uq_execution_run_key", ("run_key", "action"), "run_key IS NOT NULL", unique=True),
    _where("uq_execution_task", ("parent_id", "task_key"), "task_key IS NOT NULL", unique=True),
    Index("ix_execution_created_at", "created_at", "id"),
    # What lists are narrowed by, in the order of lists: a page is found, however deep, and counted from one of these.
    Index("ix_execution_action", "action", "created_at", "id"),
    Index("ix_execution_status", "status", "created_at", "id"),
    Index("ix_execution_user", "user", "created_at", "id"),
    Index("ix_execution_runner", "runner", "created_at", "id"),
    _where("ix_execution_rule", ("rule", "created_at", "id"), "rule IS NOT NULL"),
    _where("ix_execution_parent", ("parent_id", "created_at", "id"), "parent_id IS NOT NULL"),
    _where("ix_execution_unsuccessful", ("status", "created_at", "id", "runner", "parent_id"), UNSUCCESSFUL),
    _where("ix_execution_action_unsuccessful", ("action", "status", "created_at", "id"), UNSUCCESSFUL),
    _where("ix_execution_user_unsuccessful", ("user", "status", "created_at", "id"), UNSUCCESSFUL),
    _where("ix_execution_rule_unsuccessful", ("rule", "status", "created_at", "id"), UNSUCCESSFUL),
    _where("ix_execution_instance", ("trigger_instance_id",), "trigger_instance_id IS NOT NULL"),
    _where("ix_execution_roots", ("created_at", "id"), PARENTLESS),
    _where("ix_execution_over", ("end_timestamp", "id"), ROOT_OVER),
    Index("ix_execution_trace_id", "trace_id"),
)

#: How many executions were created in each hour (hours since 1970) that is over and was counted.
execution_hour = Table(
    "execution_hour",
    metadata,
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("count", Integer, nullable=False),
)

#: Concurrency: one row for each limited key of an unfinished execution; it goes when the execution ends.
#: ``admitted`` rows of a key never exceed its limit (guarantee 7). Execution order: priority, then age.
slot = Table(
    "slot",
    metadata,
    Column("execution_id", String(24), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("limit", Integer, nullable=False),
    Column("admitted", Boolean, nullable=False),
    Index("ix_slot_key", "key", "admitted"),
    _where("ix_slot_waiting", ("key",), "admitted = false"),
)

#: Rates: the latest start times (microseconds, JSON list) that were given out under a key.
rate = Table(
    "rate",
    metadata,
    Column("key", Text, primary_key=True),
    Column("given", Json, nullable=False),
)

#: Files that executions left. ``location`` says where the content is.
artifact = Table(
    "artifact",
    metadata,
    Column("execution_id", String(24), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("location", Text, nullable=False),
    Column("created_at", Micros, nullable=False),
    Index("ix_artifact_created_at", "created_at"),
)

#: Results too large for the row, compressed (zlib): lists never read them.
execution_result = Table(
    "execution_result",
    metadata,
    Column("execution_id", String(24), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

output = Table(
    "output",
    metadata,
    Column("execution_id", String(24), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("stream", String(8), nullable=False),
    Column("timestamp", Micros, nullable=False),
    Column("data", Text, nullable=False),
)

#: The append-only progress of each workflow. The primary key is also the guard against two engines.
workflow_log = Table(
    "workflow_log",
    metadata,
    Column("workflow_id", String(24), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Micros, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("data", Json, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", _Sequence, Identity(), primary_key=True),
    Column("id", String(24), nullable=False, unique=True),
    Column("at", Micros, nullable=False),
    Column("actor", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("trace_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Json, nullable=False),
    Index("ix_audit_subject_id", "subject_id"),
    Index("ix_audit_trace_id", "trace_id"),
    Index("ix_audit_at", "at"),
)

pack = Table(
    "pack",
    metadata,
    Column("ref", Text, primary_key=True),
    _id(),
    Column("data", Json, nullable=False),
    Column("digest", Text, nullable=False),
    Column("problems", Json, nullable=False),
    Column("updated_at", Micros, nullable=False),
)

#: Actions, rules, sensors … ``enabled`` holds a person's choice over the file's; null when nobody chose.
resource = Table(
    "resource",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("ref", Text, primary_key=True),
    Column("id", String(24), nullable=False, unique=True),
    Column("pack", Text, nullable=False),
    Column("data", Json, nullable=False),
    Column("digest", Text, nullable=False),
    Column("enabled", Boolean),
    Column("source", String(8), nullable=False),
    Column("updated_at", Micros, nullable=False),
    Index("ix_resource_pack", "kind", "pack"),
)

#: Named counters, such as the version of the registry that engines compare with what they have cached.
counter = Table(
    "counter",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

key_value = Table(
    "key_value",
    metadata,
    Column("scope", String(16), primary_key=True),
    Column("name", Text, primary_key=True),
    _id(),
    Column("value", Text, nullable=False),
    Column("secret", Boolean, nullable=False),
    Column("user", Text, nullable=False),
    Column("expire_timestamp", Micros),
    Column("updated_at", Micros, nullable=False),
    _where("ix_key_value_expire_timestamp", ("expire_timestamp",), "expire_timestamp IS NOT NULL"),
)

worker = Table(
    "worker",
    metadata,
    Column("id", String(24), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process", Text, nullable=False),
    Column("queues", Json, nullable=False),
    Column("labels", Json, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("draining", Boolean, nullable=False),
    Column("started_at", Micros, nullable=False),
    Column("expires_at", Micros, nullable=False),
)

#: How each sensor is, as the container ``owner`` that holds its lease told last; ``data`` is a SensorState.
sensor_state = Table(
    "sensor_state",
    metadata,
    Column("ref", Text, primary_key=True),
    _id("owner"),
    Column("host", Text, nullable=False),
    Column("phase", String(16), nullable=False),
    Column("data", Json, nullable=False),
    Column("updated_at", Micros, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    _id("owner"),
    Column("process", Text, nullable=False),
    Column("token", Integer, nullable=False),
    Column("expires_at", Micros, nullable=False),
)

token = Table(
    "token",
    metadata,
    Column("id", String(24), primary_key=True),
    Column("user", Text, nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("created_at", Micros, nullable=False),
    Column("expires_at", Micros),
    Column("metadata", Json, nullable=False),
    _where("ix_token_expires_at", ("expires_at",), "expires_at IS NOT NULL"),
)
