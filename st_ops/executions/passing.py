"""Claiming in passing: a lone request is claimed in the transaction that stores it, when an idle worker is at hand.

That spares the way over the bus, a second look into the store and a commit: what somebody who waits for one action
would notice. The execution is requested and claimed as ever, in one transaction instead of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from st_ops.executions.lifecycle import Bells
from st_ops.model.executions import Execution
from st_ops.store.database import Tx


class IdleWorker(Protocol):
    """A worker in this process. After a ``take`` that answered something, ``begin`` or ``forget`` must follow."""

    def take(self, tx: Tx) -> Sequence[Execution]:
        """Claim what is ready, in the caller's transaction; nothing, without waiting, when it is not idle."""

    def begin(self, taken: Sequence[Execution], bells: Bells) -> None:
        """The transaction is committed: run what was taken, and ring ``bells`` for the caller."""

    def forget(self) -> None:
        """Whether the transaction was committed is not known: look into the store."""
