"""What the runners need to know of the installation: plain values, handed in by the composition root."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_MB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class SshOptions:
    """How hosts are reached when an action does not say."""

    known_hosts: str = "~/.ssh/known_hosts"
    key: str = "~/.ssh/id_rsa"
    #: "" = the user this process runs as.
    user: str = ""
    #: Hosts one execution works on at once.
    parallel: int = 50
    allow_partial_failure: bool = False
    check_host_keys: bool = True
    connect_seconds: float = 20.0
    #: A connection nobody used for this long is closed.
    idle_seconds: float = 120.0


@dataclass(frozen=True, kw_only=True)
class RunnerOptions:
    """Limits and places. Sizes are bytes unless the name says otherwise; times are seconds."""

    grace_seconds: float = 5.0
    #: Output kept of one run, stdout and stderr together.
    output_bytes: int = 10 * _MB
    #: Largest result a Python action may hand over.
    result_bytes: int = 64 * _MB
    #: Limits of every run whose action sets none: ``memory_mb``, ``cpu_seconds``, ``open_files``, ``file_mb``.
    limits: Mapping[str, float] = field(default_factory=dict)
    #: Variables of the platform's environment that actions see; a name ending in ``*`` is a prefix.
    environment: tuple[str, ...] = (
        "HOME", "LANG", "LANGUAGE", "LC_*", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER",
        "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
        "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE",
    )  # fmt: skip
    #: Folder of programs for runs, the last on their PATH; "" = none.
    tools: str = ""
    #: Folder for the temporary folders of runs; "" = one of our own in the system's.
    work_root: str = ""
    #: Warm sandboxes kept at once; the one idle longest makes way for another.
    sandboxes: int = 16
    #: A sandbox without work for this long ends.
    sandbox_idle_seconds: float = 300.0
    #: Client of the container engine, a name or a path; "" = docker or podman, whichever is found first.
    container_engine: str = ""
    ssh: SshOptions = field(default_factory=SshOptions)

    def limits_of(self, own: Mapping[str, Any]) -> dict[str, float]:
        """The limits of a run whose action declares ``own``."""
        return {**self.limits, **own}
