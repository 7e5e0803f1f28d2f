"""A PostgreSQL cluster of our own, as durable as in production, with a fresh database for each test."""

from __future__ import annotations

import itertools
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import psycopg
from psycopg import sql

from tests.servers.process import Server, Yard, clean_environment, free_port, listens, unprivileged_user
from tests.servers.programs import POSTGRES

#: Seconds that sessions may take to notice that their server was killed.
_SESSIONS_END_WITHIN = 20.0


class Postgres:
    """A running cluster. ``stop`` and ``start`` take it away and bring it back with what it held."""

    def __init__(self, yard: Yard) -> None:
        programs = Path(POSTGRES.require()).resolve().parent
        self.port = free_port()
        self._numbers = itertools.count(1)
        room = yard.room("postgres")
        user = unprivileged_user()
        if user is not None:
            shutil.chown(room, user)
        data = room / "data"
        subprocess.run(
            [
                programs / "initdb",
                "-D",
                data,
                "-U",
                "st_ops",
                "--auth=trust",
                "--no-locale",
                "-E",
                "UTF8",
                "-N",
            ],
            env=clean_environment(room),
            user=user,
            extra_groups=[] if user else None,
            check=True,
            capture_output=True,
            cwd=room,
        )
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "fsync": "on",
            "logging_collector": "off",
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        self._server = Server(
            yard,
            [str(programs / "postgres"), "-D", str(data), *options],
            room=room,
            ready=self._answers,
            user=user,
            # Fast shutdown: sessions are cut, nothing committed is lost.
            stop_signal=signal.SIGINT,
        )
        self._server.start()

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL of ``database``, through psycopg 3."""
        return f"postgresql+psycopg://st_ops@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str = "template1") -> str:
        """Make a database as a copy of ``template`` and return its name."""
        name = f"test_{next(self._numbers)}"
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, template)
        return name

    def drop_database(self, name: str) -> None:
        """Remove database ``name``, cutting its sessions. The cluster must be running."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def start(self) -> None:
        """Start it again on the same port, unless it runs."""
        self._server.start()

    def stop(self, *, kill: bool = False) -> None:
        """Stop it, or with ``kill`` let it crash."""
        sessions = _children(self._server.pid) if kill and self._server.running else []
        self._server.stop(kill=kill)
        # Each notices by itself that the server is gone; until the last has, another does not start.
        end = time.monotonic() + _SESSIONS_END_WITHIN
        while any(Path(f"/proc/{pid}").exists() for pid in sessions) and time.monotonic() < end:
            threading.Event().wait(0.02)

    def _execute(self, statement: str, *names: str) -> None:
        identifiers = [sql.Identifier(name) for name in names]
        with self._connect() as connection:
            connection.execute(sql.SQL(statement).format(*identifiers))

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="st_ops",
            dbname="postgres",
            autocommit=True,
            connect_timeout=5,
        )

    def _answers(self) -> bool:
        if not listens(self.port):
            return False
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True


def _children(pid: int) -> list[int]:
    """The processes that ``pid`` started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
