"""Results on their own, whatever their size."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import orjson
from fastapi import APIRouter, Response
from starlette.responses import StreamingResponse

from st_ops.api.answers import encode
from st_ops.api.execution_answers import find_one, mask_for
from st_ops.api.masking import ShowSecrets
from st_ops.api.services import Services
from st_ops.api.shapes import runner_of, unregistered
from st_ops.errors import NotFound
from st_ops.expressions.masking import secret_names
from st_ops.security.secrets import SEALED
from st_ops.store import results

router = APIRouter(tags=["executions"])

#: zlib's window for the gzip format.
_GZIP = 31


@router.get("/executions/{execution_id}/result")
def get_result(
    services: Services,
    show_secrets: ShowSecrets,
    execution_id: str,
    download: bool = False,
    compress: bool = False,
    pretty_format: bool = False,
) -> Response:
    """Its result as JSON; as a file when ``download``, gzipped when ``compress``.

    It is passed on as it is stored, piece by piece, unless something in it is secret or is to be laid out prettily.
    """
    with services.database.read() as tx:
        entry = find_one(tx, execution_id, result=False)
        action = services.catalog.current(tx).actions.get(entry.action) or unregistered(entry)
        kept = results.get(tx, entry.id)
    if kept is None:
        raise NotFound("result of execution", entry.id, f"It is {entry.status}.")
    pieces = kept.pieces()
    length: int | None = kept.size
    # A result that has been large is dear to build: only where something in it must be changed.
    if pretty_format or secret_names(action.output_schema) or kept.holds(f'"{SEALED}"'.encode()):
        whole = orjson.loads(b"".join(kept.pieces()))
        shown = encode(
            mask_for(services, show_secrets).result(action, runner_of(entry), whole), pretty=pretty_format
        )
        pieces, length = iter([shown]), len(shown)
    headers: dict[str, str] = {}
    if compress:
        headers["Content-Encoding"] = "gzip"
        pieces, length = _gzipped(pieces), None
    if download:
        headers["Content-Disposition"] = f'attachment; filename="execution_{entry.id}_result.json"'
    if length is not None:
        headers["Content-Length"] = str(length)
    return StreamingResponse(pieces, media_type="application/json", headers=headers)


def _gzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    pack = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    for piece in pieces:
        if packed := pack.compress(piece):
            yield packed
    yield pack.flush()
