"""Results as the JSON text they are stored as: for handing on large ones without building them in memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Text, select, type_coerce

from st_ops.store.database import Tx
from st_ops.store.schema import execution, execution_result

#: Bytes of one piece.
_CHUNK = 1 << 18


@dataclass(frozen=True)
class StoredResult:
    """The JSON text of one result, as it is kept; ``size`` in bytes of JSON."""

    data: bytes
    compressed: bool
    size: int

    def pieces(self) -> Iterator[bytes]:
        """The text in pieces; may be read any number of times."""
        if not self.compressed:
            yield self.data
            return
        unpack = zlib.decompressobj()
        rest = self.data
        while rest and not unpack.eof:
            piece = unpack.decompress(rest, _CHUNK)
            rest = unpack.unconsumed_tail
            if piece:
                yield piece
        if last := unpack.flush():
            yield last

    def holds(self, text: bytes) -> bool:
        """True when ``text`` is anywhere in it."""
        carried = b""
        for piece in self.pieces():
            carried += piece
            if text in carried:
                return True
            carried = carried[-len(text) + 1 :]
        return False


def get(tx: Tx, execution_id: str) -> StoredResult | None:
    """The result of one execution; None when it has none."""
    query = select(execution.c.result_size, type_coerce(execution.c.result, Text)).where(
        execution.c.id == execution_id
    )
    row = tx.execute(query).first()
    if row is None:
        return None
    size, inline = row
    if inline is not None:
        data = inline.encode()
        return StoredResult(data, compressed=False, size=len(data))
    large = select(execution_result.c.data).where(execution_result.c.execution_id == execution_id)
    kept = tx.execute(large).scalar_one_or_none()
    return None if kept is None else StoredResult(kept, compressed=True, size=size)
