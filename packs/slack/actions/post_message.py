from __future__ import annotations

import time
from typing import Any

import httpx

from st_ops.sdk import ActionFailed, Context, action

#: Times a message is tried when Slack is busy or away.
TRIES = 4
#: Longest pause between two tries, in seconds.
LONGEST_PAUSE = 30.0


@action(timeout=180)
def post_message(
    ctx: Context,
    text: str,
    channel: str = "",
    username: str = "",
    icon_emoji: str = "",
    blocks: list[dict] | None = None,
    attachments: list[dict] | None = None,
) -> dict[str, Any]:
    """Post a message to Slack through the webhook of the pack's config.

    Args:
        text: The message, in Slack's markup; with blocks, what notifications show.
        channel: Channel, where the webhook allows to choose it; by default the config's.
        username: Name the message comes from; by default the config's.
        icon_emoji: Picture beside the message, e.g. ":fire:".
        blocks: The message in Slack's Block Kit.
        attachments: Slack's older attachments, e.g. [{"color": "danger", "text": "…"}].
    """
    body = {
        "text": text,
        "channel": channel or ctx.config.get("channel"),
        "username": username or ctx.config.get("username"),
        "icon_emoji": icon_emoji,
        "blocks": blocks,
        "attachments": attachments,
    }
    tries = _post(ctx, ctx.config["webhook_url"], {name: value for name, value in body.items() if value})
    return {"posted": True, "tries": tries}


def _post(ctx: Context, url: str, body: dict[str, Any]) -> int:
    """Post ``body``, again after a pause while Slack is busy; how often it was tried. ``url`` is secret."""
    for tried in range(1, TRIES + 1):
        pause = 2.0**tried / 2
        try:
            answer = httpx.post(url, json=body, timeout=10)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            fault = f"Slack could not be reached: {type(error).__name__}."
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise ActionFailed("webhook_url in configs/slack.yaml is not an http(s) URL.") from None
        except httpx.HTTPError as error:
            # Not tried again: people would read it twice.
            fault = f"Slack did not answer, the message may have been posted: {type(error).__name__}."
            raise ActionFailed(fault) from None
        else:
            if answer.status_code == httpx.codes.OK:
                return tried
            fault = f"Slack answered {answer.status_code}: {answer.text[:200]}"
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS and answer.status_code < 500:
                raise ActionFailed(fault)
            pause = _retry_after(answer, pause)
        if tried == TRIES:
            break
        ctx.logger.warning("%s Next try in %g s.", fault, pause)
        time.sleep(min(pause, LONGEST_PAUSE))
    raise ActionFailed(f"{fault} Given up after {TRIES} tries.")


def _retry_after(answer: httpx.Response, default: float) -> float:
    try:
        return float(answer.headers.get("Retry-After", default))
    except ValueError:
        return default
