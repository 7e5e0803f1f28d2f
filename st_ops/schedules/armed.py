"""Since when each timer counts, kept in the store: what was due before, or while no rule wanted it, was not missed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from st_ops.model.identity import iso, parse_time
from st_ops.model.records import KeyValue
from st_ops.store import key_values
from st_ops.store.database import Database

_SCOPE = "st_ops.schedule"
_PREFIX = "armed/"


def arm(database: Database, wanted: Collection[str], moment: datetime) -> dict[str, datetime]:
    """Since when each of the ``wanted`` timers (all there are, by trigger ref) counts: ``moment`` for those new to the
    store. Timers that nobody wants any more are forgotten. Raises Unavailable.
    """
    with database.read() as tx:
        rows = key_values.find(tx, prefix=_PREFIX, scope=_SCOPE)
    known = {row.name.removeprefix(_PREFIX): parse_time(row.value) for row in rows}
    new = [ref for ref in wanted if ref not in known]
    gone = known.keys() - set(wanted)
    if new or gone:
        with database.write() as tx:
            value = iso(moment)
            key_values.put(tx, [KeyValue(name=_PREFIX + ref, value=value, scope=_SCOPE) for ref in new])
            for ref in gone:
                key_values.remove(tx, _PREFIX + ref, _SCOPE)
    return {ref: known.get(ref, moment) for ref in wanted}
