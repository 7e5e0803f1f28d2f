"""``python -m tests.servers.install``: install the missing server programs with apt, where we may.

Nothing is asked of the network when nothing is missing. Where it cannot install (no apt, no root, offline) it
says so and exits 0: the tests that need the program are then skipped, or fail where ``CI=true``. Only the
programs are wanted, so no service is started: each test session starts its own on free ports.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.programs import ALL

#: Debian asks this script before it starts a service; 101 means "not now".
_POLICY = Path("/usr/sbin/policy-rc.d")

#: Seconds one apt command may take.
_LIMIT = 900


def main() -> int:
    """Install what is missing; always 0, since the tests themselves say what they lack."""
    missing = sorted({program.package for program in ALL if program.path() is None})
    if not missing:
        return 0
    root = _become_root()
    if root is None or shutil.which("apt-get") is None:
        print(f"Missing servers: {' '.join(missing)}. Installing them takes apt and root.", file=sys.stderr)
        return 0
    print(f"Installing the servers the tests drive: {' '.join(missing)}", file=sys.stderr)
    with _no_service_starts(root):
        _apt(root, "update", "-qq")
        if not _apt(root, "install", "-y", "-qq", "--no-install-recommends", *missing):
            # One that cannot be had must not keep the others away.
            for package in missing:
                _apt(root, "install", "-y", "-qq", "--no-install-recommends", package)
    left = sorted({program.package for program in ALL if program.path() is None})
    if left:
        print(f"Still missing: {' '.join(left)}", file=sys.stderr)
    return 0


def _become_root() -> list[str] | None:
    """The words before a command that make it run as root; None when we may not."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return [sudo, "-n"]
    return None


def _apt(root: list[str], *arguments: str) -> bool:
    """Run one apt-get command, printing its output only when it failed; True when it succeeded."""
    command = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LIMIT)
    except subprocess.TimeoutExpired:
        print(f"'apt-get {' '.join(arguments)}' took more than {_LIMIT} s.", file=sys.stderr)
        return False
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-10:])
        print(f"'apt-get {' '.join(arguments)}' failed:\n{tail}", file=sys.stderr)
    return done.returncode == 0


@contextmanager
def _no_service_starts(root: list[str]) -> Iterator[None]:
    """Keep Debian from starting what it installs, without touching a policy the machine has already."""
    if _POLICY.exists():
        yield
        return
    with tempfile.NamedTemporaryFile("w", suffix="-policy-rc.d") as script:
        script.write("#!/bin/sh\nexit 101\n")
        script.flush()
        subprocess.run([*root, "install", "-m", "755", script.name, str(_POLICY)], check=True)
    try:
        yield
    finally:
        subprocess.run([*root, "rm", "-f", str(_POLICY)], check=True)


if __name__ == "__main__":
    raise SystemExit(main())
