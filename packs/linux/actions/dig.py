from __future__ import annotations

import random
import subprocess

from st_ops.sdk import ActionFailed, action


@action
def dig(
    hostname: str,
    querytype: str = "A",
    nameserver: str | None = None,
    queryopts: str = "short",
    count: int = 0,
    rand: bool = False,
) -> list[str]:
    """Look up a name and give the lines of the answer."""
    if hostname.startswith(("-", "+", "@")):
        raise ActionFailed(f"'{hostname}' is not a name.")
    options = [f"+{option.strip().lstrip('+')}" for option in queryopts.split(",") if option.strip()]
    command = ["dig", *([f"@{nameserver}"] if nameserver else []), hostname, querytype, *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ActionFailed(
            "dig is not installed on this machine (package dnsutils or bind-utils)."
        ) from error
    if done.returncode != 0:
        raise ActionFailed(f"dig ended with {done.returncode}: {(done.stderr or done.stdout).strip()}")
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    if rand:
        random.shuffle(lines)
    return lines[:count] if count > 0 else lines
