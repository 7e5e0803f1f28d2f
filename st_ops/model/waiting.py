"""Work that waits, by what a worker must be to take it; and whether one lives that is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from st_ops.model.base import Model, Moment
from st_ops.model.identity import now
from st_ops.model.records import Worker


class Waiting(Model):
    """Executions of one queue and one set of needs that are ready, and since when the oldest of them is."""

    queue: str
    needs: list[str]
    count: int
    oldest: Moment

    def fits(self, worker: Worker) -> bool:
        """True when ``worker`` lives and takes this work."""
        takes = worker.expires_at > now() and not worker.draining and self.queue in worker.queues
        return takes and set(worker.labels).issuperset(self.needs)


def without_worker(groups: Iterable[Waiting], workers: Sequence[Worker]) -> list[Waiting]:
    """The groups that no living worker takes: they wait until one is started."""
    return [group for group in groups if not any(group.fits(worker) for worker in workers)]
