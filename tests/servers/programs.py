"""The one list of server programs the tests drive, where each is found, and what to install for it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

#: Where Debian keeps programs that are not on a user's PATH.
_FOLDERS = [
    "/usr/sbin",
    "/usr/lib/rabbitmq/bin",
    *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin"))),
]


@dataclass(frozen=True, kw_only=True)
class Program:
    """One server: its ``command``, the Debian ``package`` that brings it, and what it is for."""

    command: str
    package: str
    purpose: str

    def path(self) -> str | None:
        """The absolute path of the command; None when it is not installed."""
        places = os.pathsep.join([*reversed(_FOLDERS), os.environ.get("PATH", os.defpath)])
        return shutil.which(self.command, path=places)

    def require(self) -> str:
        """The path of the command; without it the test is skipped, or fails where ``CI=true``."""
        found = self.path()
        if found is not None:
            return found
        sentence = (
            f"{self.command} ({self.purpose}) is not installed; "
            f"'apt-get install {self.package}' brings it, and 'make test' does that as root."
        )
        if os.environ.get("CI") == "true":
            pytest.fail(sentence, pytrace=False)
        pytest.skip(sentence)


POSTGRES = Program(command="initdb", package="postgresql", purpose="the production store")
REDIS = Program(command="redis-server", package="redis-server", purpose="a production bus")
RABBITMQ = Program(command="rabbitmq-server", package="rabbitmq-server", purpose="a production bus")
SSHD = Program(command="sshd", package="openssh-server", purpose="a machine to provision")
ALERTMANAGER = Program(
    command="prometheus-alertmanager",
    package="prometheus-alertmanager",
    purpose="a monitoring system that sends real alerts",
)
CHROMIUM = Program(command="chromium", package="chromium", purpose="a browser for the web page")

ALL = [POSTGRES, REDIS, RABBITMQ, SSHD, ALERTMANAGER, CHROMIUM]
