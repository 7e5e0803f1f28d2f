"""A RabbitMQ node of our own: its own name, folders, ports and epmd, and no plug-ins."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import amqp

from tests.servers.process import Server, Yard, clean_environment, free_port, listens
from tests.servers.programs import RABBITMQ


class RabbitMQ:
    """A running node; ``stop`` and ``start`` take it away and bring it back on the same port."""

    def __init__(self, yard: Yard) -> None:
        command = RABBITMQ.require()
        room = yard.room("rabbitmq")
        self.port, distribution, names = free_port(), free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        (room / "rabbitmq.conf").write_text(
            f"listeners.tcp.default = 127.0.0.1:{self.port}\n"
            "log.console = true\nlog.console.level = warning\nlog.file = false\n"
            "loopback_users.guest = true\n"
        )
        (room / "enabled_plugins").write_text("[].\n")
        epmd = shutil.which("epmd")
        assert epmd is not None, "epmd comes with Erlang, which comes with rabbitmq-server"
        self._control = str(Path(command).with_name("rabbitmqctl"))
        self._environment = {
            **clean_environment(room),
            "ERL_EPMD_PORT": str(names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"st-ops-{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_CONFIG_FILE": str(room / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_MNESIA_BASE": str(room / "mnesia"),
            "RABBITMQ_LOG_BASE": str(room),
            "RABBITMQ_PID_FILE": str(room / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(room / "enabled_plugins"),
            # Two cores are shared by everything the tests start: let idle schedulers sleep.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
        }
        self._names = Server(
            yard,
            [epmd, "-port", str(names), "-address", "127.0.0.1"],
            room=yard.room("epmd"),
            ready=lambda: listens(names),
        )
        self._names.start()
        self._server = Server(
            yard,
            [command],
            room=room,
            ready=self._answers,
            environment=self._environment,
            stop_signal=signal.SIGTERM,
            start_within=90,
        )
        self._server.start()

    def start(self) -> None:
        """Start it again on the same port, unless it runs."""
        self._server.start()

    def stop(self, *, kill: bool = False) -> None:
        """Stop it, or with ``kill`` let it crash."""
        self._server.stop(kill=kill)

    def queues(self, prefix: str) -> list[str]:
        """The names of the queues that begin with ``prefix``."""
        listing = subprocess.run(
            [self._control, "-n", self._environment["RABBITMQ_NODENAME"], "-q", "list_queues", "name"],
            env=self._environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        return [name for name in listing.splitlines() if name.startswith(prefix)]

    def _answers(self) -> bool:
        if not listens(self.port):
            return False
        try:
            with amqp.Connection(f"127.0.0.1:{self.port}", connect_timeout=5) as connection:
                return bool(connection.connected)
        except (OSError, amqp.AMQPError):
            return False
