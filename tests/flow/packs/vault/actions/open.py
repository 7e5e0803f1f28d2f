"""Prints and returns every secret it knows, and waits."""

import sys
import time
from pathlib import Path

from st_ops.sdk import Context, action


@action
def open(ctx: Context, password: str, until: str) -> dict:  # noqa: A001 - it is what the action is called
    """Tell everything."""
    key = ctx.config["api_key"]
    print(f"password {password} key {key}")  # noqa: T201 - it is careless
    print(f"password {password} key {key}", file=sys.stderr)  # noqa: T201
    ctx.logger.warning("password %s key %s", password, key)
    while not Path(until).exists():
        time.sleep(0.05)
    return {"password": password, "keys": [key], password: "as a name"}
