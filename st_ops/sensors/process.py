"""One sensor's child process: started apart from us, spoken with over a socket, and ended with all it started."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from st_ops.bus.backoff import Backoff
from st_ops.errors import StOpsError, Unavailable
from st_ops.expressions.masker import Masker
from st_ops.logs import facts
from st_ops.model.identity import now
from st_ops.sdk import boot
from st_ops.sdk.wire import Channel, ChannelClosed, FrameTooLarge, Message
from st_ops.sensors.output import Output
from st_ops.sensors.plan import Plan, Trigger
from st_ops.sensors.requests import SensorRequests, identified

log = logging.getLogger(__name__)

#: Makes the SDK known to an interpreter that has nothing of ours installed, and runs the sensor.
_BOOT = (boot.__file__, "st_ops.sdk.run_sensor")

#: Requests of one sensor answered at once: its threads share commits, and a slow one does not hold up the others.
_CONVERSATIONS = 4
#: Bytes of the largest message either way; an event's own limit is far below.
_FRAME = 64 * 1024 * 1024
#: Seconds a sensor may leave what we send it unread before it is given up.
_SEND_SECONDS = 5
#: Seconds between the end of the conversation and the end of the process that is normal.
_END_SECONDS = 5.0


class SensorProcess:
    """A running sensor. Made, stepped and ended by one thread, which must outlive it: the kernel kills the child
    when the thread that started it is gone.
    """

    def __init__(
        self,
        plan: Plan,
        triggers: Mapping[str, Trigger],
        requests: SensorRequests,
        environment: Mapping[str, str],
        *,
        lines_per_second: float,
        on_end: Callable[[], None],
    ) -> None:
        """Start it. ``on_end`` is called from another thread when the process has ended or is about to.

        Raises OSError when the interpreter cannot be started.
        """
        self.plan = plan
        self.started_at = now()
        self.ready_since: float | None = None
        self.events = 0
        self.last_event_at: datetime | None = None
        #: Why we end it; "" when we do not.
        self.stopping = ""
        #: Why it ends by itself, having nothing to watch; "" when it does not.
        self.idle = ""
        self._triggers = dict(triggers)
        self._requests = requests
        self._on_end = on_end
        self._fault = ""
        self._ended = threading.Event()
        self._kill_at: float | None = None
        self._socket, self._process = _spawn(plan, environment)
        self.pid = self._process.pid
        self._masker = Masker(plan.secrets)
        assert self._process.stdout is not None  # a pipe, by our own choice
        self._output = Output(plan.ref, self._process.stdout, self._masker, lines_per_second)
        # A descriptor of its own, so that the channel can be shut down under its readers and closed after them.
        self._channel = Channel(os.dup(self._socket.fileno()), limit=_FRAME)
        self._send({**plan.job, "triggers": list(triggers.values())})
        self._threads = [
            threading.Thread(target=self._converse, name=f"sensor {plan.ref}", daemon=True)
            for _ in range(_CONVERSATIONS)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def command(self) -> list[str]:
        """What was started."""
        return [str(part) for part in self._process.args] if isinstance(self._process.args, list) else []

    def update_triggers(self, triggers: Mapping[str, Trigger]) -> None:
        """Tell the sensor which triggers rules want of it now, as far as that changed."""
        for ref in self._triggers.keys() - triggers.keys():
            self._send({"type": "trigger", "op": "remove", "trigger": self._triggers[ref]})
        for ref in triggers.keys() - self._triggers.keys():
            self._send({"type": "trigger", "op": "add", "trigger": triggers[ref]})
        self._triggers = dict(triggers)

    def stop(self, reason: str, grace: float) -> None:
        """Ask it to end (SIGTERM), and have ``step`` kill it after ``grace`` seconds. The first reason counts."""
        if not self.stopping:
            self.stopping = reason
            self._kill_at = time.monotonic() + grace
            self._signal(signal.SIGTERM)

    def kill(self, reason: str) -> None:
        """End it at once (SIGKILL), with all it started in its process group."""
        self.stopping = self.stopping or reason
        self._signal(signal.SIGKILL)

    def step(self) -> int | None:
        """Kill what had to end by now. The exit code (minus the signal's number) once the process is gone."""
        if not self._is_dead():
            if self._ended.is_set() and self._kill_at is None:
                # It no longer speaks with us: it is ending, or broken.
                self._kill_at = time.monotonic() + _END_SECONDS
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                self._signal(signal.SIGKILL)
            return None
        # Before the process is reaped, while its group's number cannot be another's.
        self._signal(signal.SIGKILL)
        code = self._process.wait()
        self._close()
        return code

    @property
    def due(self) -> float | None:
        """When ``step`` has to be called next, by the monotonic clock; None when nothing is planned."""
        return self._kill_at

    def explain(self, code: int) -> str:
        """Why it ended with ``code``, as a sentence for people."""
        if self._fault:
            return self._fault
        ending = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        last = self._output.last_line()
        return f"It {ending}" + (f": {last}" if code and last else ".")

    def _is_dead(self) -> bool:
        # WNOWAIT leaves it to be reaped, so that its number stays its own meanwhile.
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def _signal(self, number: signal.Signals) -> None:
        # It leads a session of its own, so its group has its number.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            # One that still waits for the store finds the channel closed later.
            thread.join(1.0)
        self._channel.close()
        self._socket.close()
        # A process that moved out of the group may hold the output open; its thread then reads on.
        self._output.wait(1.0)

    def _send(self, message: Message) -> None:
        try:
            self._channel.send(message)
        except (ChannelClosed, FrameTooLarge) as exc:
            self._give_up(f"It could not be spoken with: {exc}")

    def _give_up(self, fault: str) -> None:
        self._fault = self._fault or fault
        self._signal(signal.SIGKILL)

    def _converse(self) -> None:
        """In several threads: answer what the sensor asks, until the channel ends."""
        try:
            while (message := self._channel.receive()) is not None:
                self._take(message)
        except ChannelClosed:
            log.debug("The conversation is over.", extra=facts(sensor=self.plan.ref))
        except FrameTooLarge as exc:
            self._give_up(f"It sent too much at once. {exc}")
        except Exception:  # the edge of the thread: who breaks the protocol is started anew
            log.exception("Speaking with a sensor failed.", extra=facts(sensor=self.plan.ref))
            self._give_up("It did not keep to the protocol; the log has the traceback.")
        self._ended.set()
        # The end of the process follows the end of its descriptors by microseconds: wait, so as to be asked once.
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        self._on_end()

    def _take(self, message: Message) -> None:
        if message.get("type") == "ready":
            self.ready_since = time.monotonic()
            log.info("The sensor runs.", extra=facts(sensor=self.plan.ref, pid=self.pid))
        elif message.get("type") == "idle":
            self.idle = str(message.get("reason") or "it has nothing to watch")
        elif "method" in message:
            self._answer(identified(message))

    def _answer(self, request: Message) -> None:
        method, arguments = str(request["method"]), request["arguments"]
        try:
            result = self._ask(method, arguments)
        except StOpsError as exc:
            self._channel.refuse(request, str(exc))
            return
        except Exception:  # a request that fails in an unforeseen way must not end the conversation
            log.exception("A request of a sensor failed.", extra=facts(sensor=self.plan.ref, method=method))
            self._channel.refuse(
                request, f"'{method}' failed inside the platform; its log has the traceback."
            )
            return
        if method == "emit":
            self.events += 1
            self.last_event_at = now()
        elif method == "kv.get" and arguments.get("decrypt") and result is not None:
            self._masker.add([result])
        try:
            self._channel.answer(request, result)
        except FrameTooLarge as exc:
            self._channel.refuse(request, f"The answer to '{method}' is too large. {exc}")

    def _ask(self, method: str, arguments: Mapping[str, Any]) -> Any:
        """Ask until the store answers: a sensor waits rather than loses its event (DESIGN 8)."""
        pause = Backoff()
        while True:
            try:
                return self._requests.answer(self.plan.ref, method, arguments)
            except Unavailable as exc:
                delay = pause.delay()
                log.warning("Asking again in %.1f s: %s", delay, exc, extra=facts(sensor=self.plan.ref))
                if self._ended.wait(delay) or self.stopping:
                    raise


def _spawn(plan: Plan, environment: Mapping[str, str]) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair()
    # A sensor that does not read must not hold up the container.
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", _SEND_SECONDS, 0))
    try:
        process = subprocess.Popen(
            # -I: neither PYTHON… variables nor the working directory decide what it imports.
            [plan.interpreter, "-I", "-u", *_BOOT, str(theirs.fileno()), str(os.getpid())],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=(theirs.fileno(),),
            env=dict(environment), cwd=plan.pack_path, start_new_session=True,
        )  # fmt: skip
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return ours, process


def environment(allowed: list[str], own: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """What sensors see: of ``own`` (the platform's variables) those ``allowed`` names, and those ``given``.

    A name that ends in ``*`` allows every variable that starts so.
    """
    prefixes = tuple(name[:-1] for name in allowed if name.endswith("*"))
    seen = {
        name: value
        for name, value in own.items()
        if name in allowed or (prefixes and name.startswith(prefixes))
    }
    return {"PATH": os.defpath, **seen, **given}
