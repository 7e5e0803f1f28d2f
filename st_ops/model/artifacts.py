"""Artifacts: files that executions left to be kept."""

from __future__ import annotations

from pydantic import Field

from st_ops.model.base import Model, Moment
from st_ops.model.identity import now


class Artifact(Model):
    """One kept file. ``name`` is its path in the artifact folder, with ``/``; ``digest`` its SHA-256 in hexadecimal.

    ``location`` is the URL of its content, for the storage that wrote it.
    """

    execution_id: str
    name: str
    size: int
    digest: str
    location: str = ""
    created_at: Moment = Field(default_factory=now)
