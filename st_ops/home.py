"""The home folder: who holds it, where its server is, and the admin's token."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shlex
import sys
from pathlib import Path
from typing import IO

from st_ops.errors import AlreadyRunning
from st_ops.security.private_files import create_once

#: What must be on Python's path for this package to be found.
_ROOT = Path(__file__).resolve().parent.parent


class Home:
    """One platform's folder. ``acquire`` before use; the lock goes with the process, however it dies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server_file = folder / "server.json"
        self.token_file = folder / "admin.token"
        self.key_file = folder / "secret.keys"
        self._lock: IO[str] | None = None

    def make(self) -> None:
        """Create the folder, for its owner only."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def acquire(self) -> None:
        """Hold the home. Raises AlreadyRunning, naming the process that does, while another lives."""
        self.make()
        lock = (self.folder / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise AlreadyRunning(self._occupied()) from None
        self._lock = lock

    def _occupied(self) -> str:
        try:
            server = json.loads(self.server_file.read_text())
            return (
                f"A platform is running on {self.folder} already: process {server['pid']}, {server['url']}."
            )
        except (OSError, ValueError, KeyError):
            return f"A platform is starting on {self.folder} already."

    def release(self) -> None:
        """Let go of the home and forget the server. Idempotent."""
        if self._lock is not None:
            self.server_file.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def admin_token(self) -> str:
        """The admin's token, made on first use in a file of mode 0600."""
        self.make()
        return create_once(self.token_file, secrets.token_urlsafe(32) + "\n").strip()

    def tools(self) -> Path:
        """The folder of the programs that running actions find: ``st-ops``, of this installation."""
        folder = self.folder / "bin"
        folder.mkdir(parents=True, exist_ok=True)
        code = f"import sys; sys.path.append({str(_ROOT)!r}); from st_ops.cli.main import main; main()"
        script = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$@"\n'
        draft = folder / f".{os.getpid()}"
        draft.write_text(script)
        draft.chmod(0o755)
        draft.replace(folder / "st-ops")
        return folder

    def announce(self, url: str) -> None:
        """Write server.json, whole or not at all, so that clients find the server."""
        content = {"url": url, "pid": os.getpid(), "token_file": str(self.token_file)}
        draft = self.server_file.with_suffix(".tmp")
        draft.write_text(json.dumps(content) + "\n")
        draft.replace(self.server_file)
