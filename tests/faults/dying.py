"""``python -m tests.faults.dying up | serve STAGE…``: the platform, which signals itself at a named moment.

``DIE_AT`` (SIGKILL) or ``FREEZE_AT`` (SIGSTOP) names it as ``before verb subject`` or ``after verb subject``: before or
after the commit of the transaction that records the verb of the subject in the audit log. The subject is a workflow's
task, or the ref of what the entry is about. Such a signal is exact where one from outside would have to be lucky.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from st_ops.model.records import AuditEntry
from st_ops.store import audit
from st_ops.store.database import Database, Tx
from tests.flow import launch

#: Names the moment in the environment.
DIE_AT = "DIE_AT"
FREEZE_AT = "FREEZE_AT"


def arm(moment: str, number: signal.Signals) -> None:
    """Send ourselves the signal at ``moment``, once."""
    when, verb, subject = moment.split(" ")
    seen: list[Tx] = []
    record, note, write = audit.record, audit.Noted.__call__, Database.write

    def recorded(tx: Tx, entries: Sequence[AuditEntry]) -> None:
        record(tx, entries)
        look_at(tx, entries)

    def noted(change: audit.Noted, tx: Tx, values: Mapping[str, Any], entry: AuditEntry) -> Any:
        answer = note(change, tx, values, entry)
        look_at(tx, [entry])
        return answer

    def look_at(tx: Tx, entries: Sequence[AuditEntry]) -> None:
        if any(entry.verb == verb and subject in (entry.ref, entry.detail.get("task")) for entry in entries):
            seen.append(tx)

    @contextmanager
    def written(database: Database) -> Iterator[Tx]:
        with write(database) as tx:
            yield tx
            if when == "before" and tx in seen:
                os.kill(os.getpid(), number)
        if tx in seen:
            seen.clear()
            os.kill(os.getpid(), number)

    audit.record = recorded
    audit.Noted.__call__ = noted  # type: ignore[assignment, method-assign]
    Database.write = written  # type: ignore[assignment, method-assign]


if __name__ == "__main__":
    for name, number in ((DIE_AT, signal.SIGKILL), (FREEZE_AT, signal.SIGSTOP)):
        if os.environ.get(name):
            arm(os.environ[name], number)
    sys.exit(launch.main(sys.argv[1:]))
