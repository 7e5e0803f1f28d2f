"""Running the platform until a signal says stop: ``up`` for everything, ``serve`` for some stages."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

from st_ops import logs
from st_ops.errors import UserError
from st_ops.services import STAGES, Platform, listening_socket
from st_ops.settings import Settings

log = logging.getLogger(__name__)

#: Seconds a thread may hold the interpreter: short, so that a busy stage does not delay the others' answers.
_SWITCH_SECONDS = 0.001
#: Allocations after which Python looks for garbage in cycles: seldom, since hardly any is made here.
_GARBAGE_THRESHOLDS = (20_000, 20, 50)
#: Seconds that open requests (followers of a stream) get at shutdown.
_REQUESTS_SECONDS = 3


def _say(line: str) -> None:
    # At once: whoever reads a file or a pipe waits for this line.
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def up(settings: Settings, *, dev: bool = False, say: Callable[[str], None] = _say) -> None:
    """Run the whole platform in this process until SIGINT or SIGTERM.

    ``say`` is told one line when it is ready. Raises AlreadyRunning when another platform holds the home.
    """
    _run(settings, STAGES, dev=dev, say=say, exclusive=True)


def serve(settings: Settings, stages: Sequence[str], *, say: Callable[[str], None] = _say) -> None:
    """Run some stages in this process until SIGINT or SIGTERM; any number of processes share the work.

    Raises UserError for an unknown stage, and for a bus in memory, which no other process could reach.
    """
    unknown = [stage for stage in stages if stage not in STAGES]
    if unknown:
        raise UserError(f"There is no stage '{unknown[0]}'; there are {', '.join(STAGES)}.")
    if settings.bus.url.startswith("memory:") and set(stages) != set(STAGES):
        raise UserError(
            "Setting 'bus.url' is memory://, which does not leave this process; to run stages apart, "
            "name a Redis (redis://…) or RabbitMQ (amqp://…), or run everything with 'st-ops up'."
        )
    _run(settings, stages, dev=False, say=say, exclusive=False)


def _run(
    settings: Settings, stages: Sequence[str], *, dev: bool, say: Callable[[str], None], exclusive: bool
) -> None:
    logs.configure(settings.logs.level, settings.logs.form)
    sys.setswitchinterval(_SWITCH_SECONDS)
    platform = Platform(settings, stages, dev=dev)
    with contextlib.ExitStack() as stack:
        if exclusive:
            platform.home.acquire()
            stack.callback(platform.home.release)
        if "api" in stages:
            _serve_api(platform, stack, say)
            return
        platform.open()
        stack.callback(platform.close)
        _settle_memory()
        say(f"st-ops runs {', '.join(stages)}; Ctrl-C stops it.")
        _wait_for_signal()


def _serve_api(platform: Platform, stack: contextlib.ExitStack, say: Callable[[str], None]) -> None:
    import uvicorn

    from st_ops.api.app import create_app

    server_settings = platform.settings.server
    try:
        listener = listening_socket(server_settings.bind, server_settings.port)
    except OSError as exc:
        where = f"{server_settings.bind}:{server_settings.port}"
        hint = "Name another port with --port (0 = a free one)."
        raise UserError(f"Cannot listen on {where}: {exc.strerror}. {hint}") from exc
    stack.callback(listener.close)
    url = f"http://{_host(server_settings.bind)}:{listener.getsockname()[1]}"
    platform.url = server_settings.url.rstrip("/") or url
    platform.open()
    stack.callback(platform.close)
    config = uvicorn.Config(
        create_app(platform.api_services()), log_config=None, access_log=False, lifespan="on",
        timeout_graceful_shutdown=_REQUESTS_SECONDS, server_header=False, date_header=False, backlog=4096,
        # What a proxy says of the client would be believed from loopback, and is used nowhere.
        proxy_headers=False,
    )  # fmt: skip
    server = _Server(config, lambda: _ready(platform, url, say))
    with _signals(server.stop):
        server.run(sockets=[listener])


def _host(bind: str) -> str:
    """The host part of a URL that reaches ``bind`` from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(bind, f"[{bind}]" if ":" in bind else bind)  # noqa: S104 - compared, not bound


def _settle_memory() -> None:
    """What is there once all is loaded stays: it is not looked through for garbage again.

    Every such look would stop all threads for a tenth of a second and more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)


def _ready(platform: Platform, url: str, say: Callable[[str], None]) -> None:
    _settle_memory()
    platform.home.announce(url)
    say(f"st-ops is ready on {url}; the admin token is in {platform.home.token_file}")


def _server_class() -> type[Any]:
    import uvicorn

    return uvicorn.Server


class _Server:
    """uvicorn, told apart from its own signal handling, and telling when it is ready."""

    def __init__(self, config: Any, ready: Callable[[], None]) -> None:
        self._inner = _server_class()(config)
        self._ready = ready
        self._startup = self._inner.startup
        self._inner.startup = self._start
        self._inner.install_signal_handlers = lambda: None
        self._inner.capture_signals = contextlib.nullcontext

    async def _start(self, sockets: Any = None) -> None:
        await self._startup(sockets=sockets)
        if self._inner.started:
            self._ready()

    def run(self, sockets: Sequence[Any]) -> None:
        """Serve until stopped."""
        self._inner.run(sockets=list(sockets))

    def stop(self) -> None:
        """End after the open requests."""
        self._inner.should_exit = True


@contextlib.contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM call ``stop``; a second one ends the process at once."""
    seen = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if seen.is_set():
            os._exit(130)
        seen.set()
        stop()

    before: Mapping[signal.Signals, Any] = {
        name: signal.signal(name, handle) for name in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        # While closing, a further signal still means: now.
        for name in before:
            signal.signal(name, handle)


def _wait_for_signal() -> None:
    done = threading.Event()
    with _signals(done.set):
        while not done.wait(3600):
            continue
