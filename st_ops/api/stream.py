"""Server-sent events: everything that happens (``/stream``), and the output of one execution while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Header, Request, Response
from starlette.responses import PlainTextResponse, StreamingResponse

from st_ops.api.answers import Json, encode
from st_ops.api.execution_answers import find_one
from st_ops.api.hub import Hub, choice_of, output_shape
from st_ops.api.services import ApiServices, Services
from st_ops.model.executions import Execution, OutputLine
from st_ops.store import executions, outputs

router = APIRouter(tags=["stream"])

#: Seconds of silence after which a comment is sent, so that nobody in between closes the connection (StackStorm 1.12).
HEARTBEAT_SECONDS = 25.0
#: Seconds after which a follower looks without having been woken: a bell may be lost.
_LOOK_SECONDS = 1.0
_HEARTBEAT = b":\n\n"
_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def sse(event: str, data: Any) -> bytes:
    """One server-sent event."""
    return b"event: " + event.encode() + b"\ndata: " + encode(data) + b"\n\n"


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


@router.get("/stream")
async def stream(
    request: Request,
    events: str | None = None,
    action_refs: str | None = None,
    execution_ids: str | None = None,
    end_event: str | None = None,
    end_execution_id: str | None = None,
) -> Response:
    """Executions and their output as they happen, under StackStorm's names of events.

    ``events`` (globs), ``action_refs`` and ``execution_ids`` narrow it, each separated by commas. It ends after
    ``end_event`` of ``end_execution_id``, or else of any execution it is narrowed to. A watcher that lags far behind
    is cut off with the event ``overflow``.
    """
    hub: Hub = request.app.state.hub
    narrowed = _split(action_refs), _split(execution_ids)
    chosen = choice_of(_split(events), *narrowed)
    ends_it = choice_of([end_event or ""], *(([], [end_execution_id]) if end_execution_id else narrowed))

    async def parts() -> AsyncIterator[bytes]:
        with hub.listening() as listener:
            yield _HEARTBEAT
            while not listener.overflowed:
                try:
                    event = await asyncio.wait_for(listener.queue.get(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield _HEARTBEAT
                    continue
                if chosen(event):
                    yield sse(event.name, event.data)
                if ends_it(event):
                    return
            yield sse("overflow", {})

    return StreamingResponse(parts(), media_type="text/event-stream", headers=_HEADERS)


@router.get("/executions/{execution_id}/output")
async def output(
    request: Request,
    services: Services,
    execution_id: str,
    output_type: Literal["stdout", "stderr", "output", "all"] = "all",
    output_format: Literal["raw", "jsonl", "json"] = "raw",
    follow: bool = False,
    accept: Annotated[str, Header()] = "",
) -> Response:
    """What an execution printed.

    As server-sent events while it runs, when the caller accepts ``text/event-stream`` or says ``follow``: one
    ``st2.execution.output__create`` a piece, then ``EOF``. Otherwise what there is by now, as text or JSON.
    """
    stream_name = None if output_type == "all" else output_type
    entry = await to_thread.run_sync(_find, services, execution_id)
    if follow or "text/event-stream" in accept:
        parts = _follow(services, request.app.state.hub, entry.id, stream_name)
        return StreamingResponse(parts, media_type="text/event-stream", headers=_HEADERS)
    lines = await to_thread.run_sync(_all_lines, services, entry.id, stream_name)
    if output_format == "json":
        return Json([output_shape(line) for line in lines])
    if output_format == "jsonl":
        text = b"".join(encode(output_shape(line)) + b"\n" for line in lines)
        return Response(text, media_type="application/x-ndjson")
    return PlainTextResponse("".join(line.data for line in lines))


async def _follow(
    services: ApiServices, hub: Hub, execution_id: str, stream_name: str | None
) -> AsyncIterator[bytes]:
    after, quiet = -1, 0.0
    with hub.following(execution_id) as changed:
        yield _HEARTBEAT
        while True:
            changed.clear()
            over, lines = await to_thread.run_sync(_next_lines, services, execution_id, stream_name, after)
            for line in lines:
                yield sse("st2.execution.output__create", output_shape(line))
                after = line.seq
            if lines:
                quiet = 0.0
                continue
            if over:
                yield sse("EOF", {})
                return
            try:
                await asyncio.wait_for(changed.wait(), _LOOK_SECONDS)
            except TimeoutError:
                quiet += _LOOK_SECONDS
            if quiet >= HEARTBEAT_SECONDS:
                quiet = 0.0
                yield _HEARTBEAT


def _find(services: ApiServices, execution_id: str) -> Execution:
    with services.database.read() as tx:
        return find_one(tx, execution_id, result=False)


def _next_lines(
    services: ApiServices, execution_id: str, stream_name: str | None, after: int
) -> tuple[bool, list[OutputLine]]:
    """Whether the execution is over, and the lines after ``after``; both as of one moment."""
    with services.database.read() as tx:
        entry = executions.get(tx, execution_id, result=False)
        lines = outputs.find(tx, execution_id, after_seq=after, stream=stream_name)
    return entry is None or entry.status.terminal, lines


def _all_lines(services: ApiServices, execution_id: str, stream_name: str | None) -> list[OutputLine]:
    found: list[OutputLine] = []
    after = -1
    while True:
        _, lines = _next_lines(services, execution_id, stream_name, after)
        if not lines:
            return found
        found += lines
        after = lines[-1].seq
