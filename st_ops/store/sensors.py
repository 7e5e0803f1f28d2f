"""What becomes of sensors, as the container that holds each has told last: so that every process can show it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from st_ops.model.sensors import SensorState
from st_ops.store.database import Tx
from st_ops.store.schema import sensor_state


def put(tx: Tx, states: Sequence[SensorState], owner: str, host: str, moment: datetime) -> None:
    """Tell how the sensors are that the container ``owner`` on ``host`` holds."""
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    for state in states:
        values = {
            "owner": owner,
            "host": host,
            "phase": state.phase.value,
            "data": state.model_dump(mode="json"),
            "updated_at": moment,
        }
        place = dialect.insert(sensor_state).values({"ref": state.ref, **values})
        tx.execute(place.on_conflict_do_update(index_elements=["ref"], set_=values))


def remove(tx: Tx, owner: str, refs: Collection[str] | None = None) -> None:
    """Forget sensors that ``owner`` told of and holds no longer; None: all of them."""
    query = delete(sensor_state).where(sensor_state.c.owner == owner)
    if refs is not None:
        query = query.where(sensor_state.c.ref.in_(list(refs)))
    tx.execute(query)


def find(tx: Tx) -> dict[str, tuple[SensorState, str, datetime]]:
    """Ref → its state, the host it is on, and when that was told."""
    rows = tx.execute(select(sensor_state)).mappings()
    return {
        row["ref"]: (SensorState.model_validate(row["data"]), row["host"], row["updated_at"]) for row in rows
    }


def count_by_phase(tx: Tx, since: datetime) -> dict[str, int]:
    """Phase → number of sensors of which was told since then."""
    query = select(sensor_state.c.phase, func.count()).where(sensor_state.c.updated_at >= since)
    query = query.group_by(sensor_state.c.phase)
    return {phase: int(number) for phase, number in tx.execute(query)}
