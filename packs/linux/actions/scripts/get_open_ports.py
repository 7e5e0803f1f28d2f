#!/usr/bin/env python3
"""Print the TCP ports that something listens on as JSON: PUBLIC_ONLY (0 or 1)."""

from __future__ import annotations

import ipaddress
import json
import sys
from pathlib import Path

#: The state LISTEN in /proc/net/tcp.
LISTEN = "0A"


def address(text: str) -> str:
    words = [bytes.fromhex(text[start : start + 8])[::-1] for start in range(0, len(text), 8)]
    return str(ipaddress.ip_address(b"".join(words)))


def listening(path: str) -> list[dict[str, object]]:
    file = Path(path)
    lines = file.read_text("ascii").splitlines()[1:] if file.exists() else []
    found = []
    for line in lines:
        local, state = line.split()[1], line.split()[3]
        if state == LISTEN:
            host, _, port = local.partition(":")
            found.append({"address": address(host), "port": int(port, 16)})
    return found


def main(arguments: list[str]) -> None:
    ports = listening("/proc/net/tcp") + listening("/proc/net/tcp6")
    if arguments and arguments[0] == "1":
        ports = [port for port in ports if not ipaddress.ip_address(str(port["address"])).is_loopback]
    print(json.dumps(sorted(ports, key=lambda port: (port["port"], port["address"]))))


if __name__ == "__main__":
    main(sys.argv[1:])
