from __future__ import annotations

import asyncio
import socket
import time

from st_ops.sdk import ActionFailed, Context, Secret, action


@action
def wait_for_ssh(
    ctx: Context,
    hostname: str,
    port: int = 22,
    username: str = "stanley",
    password: Secret | None = None,
    keyfile: str | None = None,
    ssh_timeout: int = 5,
    sleep_delay: int = 20,
    retries: int = 10,
) -> bool:
    """Try until the server answers, or as often as we may."""
    reason = ""
    for attempt in range(1, retries + 1):
        try:
            if password or keyfile:
                asyncio.run(
                    asyncio.wait_for(_log_in(hostname, port, username, password, keyfile), ssh_timeout)
                )
            else:
                _greeting(hostname, port, ssh_timeout)
        except Exception as error:  # noqa: BLE001  # whatever it is, the server is not ready
            reason = f"{type(error).__name__}: {error}"
            ctx.logger.info("Try %d of %d: %s:%d is not ready (%s)", attempt, retries, hostname, port, reason)
        else:
            return True
        if attempt < retries:
            time.sleep(sleep_delay)
    raise ActionFailed(
        f"No SSH server at {hostname}:{port} after {retries} tries; the last said {reason}", False
    )


def _greeting(hostname: str, port: int, seconds: float) -> None:
    """An SSH server speaks first; one that is only just starting accepts and says nothing."""
    with socket.create_connection((hostname, port), timeout=seconds) as connection:
        said = connection.recv(255)
    if not said.startswith(b"SSH-"):
        raise ConnectionError(f"the server said {said[:40]!r}")


async def _log_in(hostname: str, port: int, username: str, password: str | None, keyfile: str | None) -> None:
    import asyncssh

    # Whose key it is cannot be known yet: the host may have been made a moment ago.
    options = {
        "known_hosts": None,
        "username": username,
        "password": password,
        "client_keys": [keyfile] if keyfile else None,
    }
    async with asyncssh.connect(hostname, port, **options):
        return
