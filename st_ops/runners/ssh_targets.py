"""Which hosts a run means, and how to get into each: from a runner's parameters to targets."""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping
from typing import Any

from st_ops.runners.options import SshOptions
from st_ops.runners.ssh_connections import Target


def targets(given: Mapping[str, Any], options: SshOptions) -> dict[str, Target]:
    """Name in the result (the host, with its port where it is named twice) → target. Raises ValueError."""
    hosts = given.get("hosts") or ""
    entries = [str(host).strip() for host in (hosts if isinstance(hosts, list) else hosts.split(","))]
    port = int(given.get("port") or 22)
    pairs = [host_port(entry, port) for entry in entries if entry]
    if not pairs:
        raise ValueError(
            "The parameter 'hosts' names no host: expected host or host:port, separated by commas."
        )
    username = given.get("username") or options.user or getpass.getuser()
    verify = given.get("verify_host_key")
    shared: dict[str, Any] = {
        "username": username,
        "password": given.get("password") or "",
        "private_key": given.get("private_key") or "",
        "passphrase": given.get("passphrase") or "",
        "known_hosts": given.get("known_hosts") or options.known_hosts,
        "verify": options.check_host_keys if verify is None else bool(verify),
    }
    bastion = None
    if given.get("bastion_host"):
        host, number = host_port(str(given["bastion_host"]), 22)
        bastion = Target(host=host, port=number, **shared)
    names = [host for host, _port in pairs]
    return {
        (host if names.count(host) == 1 else f"{host}:{number}"): Target(
            host=host,
            port=number,
            bastion=bastion,
            fingerprint=given.get("host_key_fingerprint") or "",
            **shared,
        )
        for host, number in pairs
    }


def host_port(entry: str, port: int) -> tuple[str, int]:
    """``host``, ``host:port``, ``[v6]:port`` or a bare IPv6 address. Raises ValueError with a sentence."""
    found = re.fullmatch(r"\[([^\]]+)\](?::(\d+))?|([^:\s]+)(?::(\d+))?|([0-9A-Fa-f:.%]+)", entry)
    if found is None:
        raise ValueError(f"'{entry}' in 'hosts' is no host: expected host, host:port or [IPv6]:port.")
    bracketed, bracketed_port, plain, plain_port, v6 = found.groups()
    return bracketed or plain or v6, int(bracketed_port or plain_port or port)
