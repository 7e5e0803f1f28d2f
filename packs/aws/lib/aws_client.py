"""boto3 clients from the pack's config, errors as sentences, and waiting with a deadline."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from st_ops.sdk import ActionFailed, Context

Function = TypeVar("Function", bound=Callable[..., Any])
Found = TypeVar("Found")


def client(ctx: Context, service: str) -> Any:
    """A client of ``service`` as the pack's config says. Raises ActionFailed for a config that cannot work."""
    config = ctx.config
    endpoint = config.get("endpoint_url") or None
    keys = {
        "aws_access_key_id": config.get("access_key_id") or None,
        "aws_secret_access_key": config.get("secret_access_key") or None,
        "aws_session_token": config.get("session_token") or None,
    }
    if not config.get("region"):
        raise ActionFailed(
            "The config of pack 'aws' has no region. Set region in configs/aws.yaml, e.g. eu-central-1."
        )
    if endpoint and not (keys["aws_access_key_id"] and keys["aws_secret_access_key"]):
        raise ActionFailed(
            "The config of pack 'aws' sets endpoint_url but no keys. Set access_key_id and secret_access_key as well: "
            "with an endpoint of its own the pack asks nobody else (~/.aws, the machine's role) for them."
        )
    if endpoint:
        os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    if keys["aws_access_key_id"]:
        # The config decides; a profile of the environment need not even exist.
        os.environ.pop("AWS_PROFILE", None)
        os.environ.pop("AWS_DEFAULT_PROFILE", None)
    return boto3.session.Session(region_name=config["region"], **keys).client(
        service,
        endpoint_url=endpoint,
        config=Config(
            connect_timeout=config.get("connect_timeout", 5),
            read_timeout=config.get("read_timeout", 30),
            retries={"mode": "standard", "max_attempts": 5},
            # None takes the environment's; an endpoint of its own is asked directly.
            proxies={} if endpoint else None,
            # A loopback or VPC endpoint has no name per bucket.
            s3={"addressing_style": "path" if endpoint else "auto"},
        ),
    )


def error_code(error: ClientError) -> str:
    """AWS's code of an error, e.g. ``InvalidInstanceID.NotFound``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def explained(function: Function) -> Function:
    """Let ``function`` fail with a sentence instead of a traceback when AWS refuses or does not answer."""

    @functools.wraps(function)
    def wrapper(*args: Any, **named: Any) -> Any:
        try:
            return function(*args, **named)
        except ClientError as error:
            detail = error.response.get("Error", {})
            message = f"AWS refused {error.operation_name}: {detail.get('Code')}: {detail.get('Message')}"
            raise ActionFailed(message, {"error": message, "code": detail.get("Code")}) from error
        except BotoCoreError as error:
            raise ActionFailed(f"AWS could not be asked: {error}") from error

    return wrapper  # type: ignore[return-value]


def wait_until(
    ctx: Context, look: Callable[[], Found | None], timeout: float, what: Callable[[], str]
) -> Found:
    """Call ``look`` at the config's poll_seconds until it gives something; that is returned.

    After ``timeout`` seconds ActionFailed is raised with ``what()``, which says what was seen last.
    """
    deadline = time.monotonic() + timeout
    pause = float(ctx.config.get("poll_seconds", 5))
    while True:
        found = look()
        if found is not None:
            return found
        left = deadline - time.monotonic()
        if left <= 0:
            raise ActionFailed(f"{what()} after {timeout:g} s.")
        time.sleep(min(pause, left))
