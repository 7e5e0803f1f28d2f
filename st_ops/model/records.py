"""The smaller nouns of the store: audit entries, key-values, workers, tokens."""

from __future__ import annotations

from pydantic import Field

from st_ops.model.base import Model, Moment, Object
from st_ops.model.identity import new_id, now


class AuditEntry(Model):
    """One thing that happened: who did what to which noun, when and why. Never changed, never secret.

    ``verb`` examples: ``accepted``, ``matched``, ``requested``, ``running``, ``succeeded``, ``enabled``.
    """

    id: str = Field(default_factory=new_id)
    at: Moment = Field(default_factory=now)
    actor: str = "system"
    verb: str
    kind: str
    ref: str = ""
    subject_id: str = ""
    trace_id: str = ""
    reason: str = ""
    detail: Object = Field(default_factory=dict)


class KeyValue(Model):
    """One datastore entry. ``scope`` is ``st2kv.system`` or ``st2kv.user``; a user's names start with ``user:``."""

    name: str
    value: str
    scope: str = "st2kv.system"
    secret: bool = False
    user: str = ""
    expire_timestamp: Moment | None = None
    updated_at: Moment = Field(default_factory=now)


class Worker(Model):
    """One process that claims work. All it holds is leased until ``expires_at``."""

    id: str = Field(default_factory=new_id)
    kind: str = "runner"
    host: str
    pid: int
    #: Tells it from every other process there ever was (store/processes.py); "" says nothing.
    process: str = ""
    queues: list[str] = Field(default_factory=list)
    labels: list[str] = Field(default_factory=list)
    slots: int = 0
    draining: bool = False
    started_at: Moment = Field(default_factory=now)
    expires_at: Moment


class Token(Model):
    """An access token. Only its SHA-256 is stored."""

    id: str = Field(default_factory=new_id)
    user: str
    digest: str
    created_at: Moment = Field(default_factory=now)
    expires_at: Moment | None = None
    metadata: Object = Field(default_factory=dict)
