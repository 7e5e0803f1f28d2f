"""``python -m tests.faults.dying up | serve STAGE…``: the platform, which SIGKILLs itself at a named moment.

``DIE_AT`` names it: ``before`` or ``after`` the commit of the transaction that records ``verb`` of ``subject`` in the
audit log, as ``before verb subject``. The subject is a workflow's task, or the ref of what the entry is about. Such a
kill is exact where one from outside would have to be lucky.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from st_ops.model.records import AuditEntry
from st_ops.store import audit
from st_ops.store.database import Database, Tx
from tests.flow import launch

#: Names the moment in the environment.
DIE_AT = "DIE_AT"


def arm(moment: str) -> None:
    """Die at ``moment``."""
    when, verb, subject = moment.split(" ")
    seen: list[Tx] = []
    record, write = audit.record, Database.write

    def recorded(tx: Tx, entries: Sequence[AuditEntry]) -> None:
        record(tx, entries)
        if any(entry.verb == verb and subject in (entry.ref, entry.detail.get("task")) for entry in entries):
            seen.append(tx)

    @contextmanager
    def written(database: Database) -> Iterator[Tx]:
        with write(database) as tx:
            yield tx
            if when == "before" and tx in seen:
                _die()
        if tx in seen:
            _die()

    audit.record = recorded
    Database.write = written  # type: ignore[method-assign]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    if os.environ.get(DIE_AT):
        arm(os.environ[DIE_AT])
    sys.exit(launch.main(sys.argv[1:]))
