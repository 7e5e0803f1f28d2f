"""Artifacts: the files that executions left."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Header, Query, Response
from starlette.responses import StreamingResponse

from st_ops.api.answers import Json, fault
from st_ops.api.execution_answers import find_one
from st_ops.api.services import Services
from st_ops.model.artifacts import Artifact
from st_ops.store import artifacts

router = APIRouter(tags=["artifacts"])

#: One range of bytes, the only kind of Range header that is heeded; anything else gets the whole file.
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")

Task = Annotated[str, Query(description="Of this task in the workflow that the execution is, or is part of.")]


@router.get("/executions/{execution_id}/artifacts")
def list_artifacts(services: Services, execution_id: str, task: Task = "") -> Response:
    """The files an execution left, by name; those of a task with its latest run first."""
    with services.database.read() as tx:
        entry = find_one(tx, execution_id, result=False)
        found = artifacts.find_of_task(tx, entry.id, task) if task else artifacts.find(tx, entry.id)
    return Json([one.model_dump(exclude={"location"}) for one in found])


@router.get("/executions/{execution_id}/artifacts/{name:path}")
def get_artifact(
    services: Services,
    execution_id: str,
    name: str,
    task: Task = "",
    range_: Annotated[str, Header(alias="Range")] = "",
) -> Response:
    """The content of one of them; a part of it when a range is asked for."""
    with services.database.read() as tx:
        entry = find_one(tx, execution_id, result=False)
        found = artifacts.named(tx, entry.id, name, task=task)
    part = part_of(range_, found.size)
    if part is not None and part[0] >= found.size:
        message = f"The artifact has {found.size} bytes; there is nothing at {part[0]}."
        return fault(416, message, headers={"Content-Range": f"bytes */{found.size}"})
    start, length = part or (0, found.size)
    headers = {**_headers(found), "Content-Length": str(length)}
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{found.size}"
    pieces = services.artifacts.read(found, start, length if part is not None else None)
    return StreamingResponse(
        pieces, 200 if part is None else 206, headers=headers, media_type="application/octet-stream"
    )


def _headers(found: Artifact) -> dict[str, str]:
    file = found.name.rpartition("/")[2]
    return {
        # Both forms: the plain one for old clients, which know no other.
        "Content-Disposition": (
            f"attachment; filename=\"{re.sub('[^A-Za-z0-9._ -]', '_', file)}\"; filename*=UTF-8''{quote(file, safe='')}"
        ),
        "Accept-Ranges": "bytes",
        "ETag": f'"{found.digest}"',
        # Whatever is in it, no browser may take it for a page of ours.
        "X-Content-Type-Options": "nosniff",
        "X-Execution-Id": found.execution_id,
    }


def part_of(header: str, size: int) -> tuple[int, int] | None:
    """(start, length) that a Range header asks for of ``size`` bytes; None = the whole."""
    match = _RANGE.fullmatch(header.strip())
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        return size - length, length
    end = min(int(last), size - 1) if last else size - 1
    return int(first), max(0, end - int(first) + 1)
