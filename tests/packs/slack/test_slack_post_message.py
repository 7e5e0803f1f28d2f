from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from st_ops.sdk import ActionFailed
from st_ops.sdk.testing import context, run_action
from tests.packs.http_endpoint import Endpoint, endpoint
from tests.packs.pack_files import pack_file


@pytest.fixture
def slack() -> Iterator[Endpoint]:
    with endpoint() as running:
        yield running


def post(url: str, config: dict[str, str] | None = None, **parameters: Any):
    action = pack_file("slack", "actions/post_message.py").post_message
    return run_action(action, pack="slack", config={"webhook_url": url, **(config or {})}, **parameters)


def test_a_message_is_posted_to_the_webhook_of_the_config(slack: Endpoint):
    result = post(f"{slack.url}/services/T0/B0/key", {"channel": "#ops"}, text="Hello")

    assert result.result == {"posted": True, "tries": 1}
    assert slack.asked == [("POST", "/services/T0/B0/key", {"text": "Hello", "channel": "#ops"})]


def test_what_the_message_names_wins_over_the_config(slack: Endpoint):
    post(slack.url, {"channel": "#ops"}, text="Hello", channel="#shop", icon_emoji=":fire:")

    assert slack.asked[0][2] == {"text": "Hello", "channel": "#shop", "icon_emoji": ":fire:"}


def test_a_busy_slack_is_asked_again_after_the_time_it_names(slack: Endpoint):
    slack.answers[:] = [(429, {"Retry-After": "0"}, "slow down"), (200, {}, "ok")]

    assert post(slack.url, text="Hello").result["tries"] == 2


def test_a_refused_message_is_not_tried_again_and_says_why(slack: Endpoint):
    slack.answer(403, "invalid_token")

    result = post(slack.url, text="Hello")

    assert not result.ok
    assert len(slack.asked) == 1


def test_the_webhook_url_is_in_no_message(slack: Endpoint):
    slack.answer(404, "no_service")
    url = f"{slack.url}/services/T0/B0/key"

    with pytest.raises(ActionFailed) as failed:
        pack_file("slack", "actions/post_message.py").post_message(
            context(pack="slack", config={"webhook_url": url}), "Hello"
        )
    assert str(failed.value) == "Slack answered 404: no_service"


def test_a_webhook_url_that_is_none_is_told_without_showing_it():
    with pytest.raises(ActionFailed, match=r"webhook_url in configs/slack.yaml is not an http\(s\) URL"):
        pack_file("slack", "actions/post_message.py").post_message(
            context(pack="slack", config={"webhook_url": "key"}), "Hello"
        )


def test_without_a_webhook_url_the_config_file_is_named():
    action = pack_file("slack", "actions/post_message.py").post_message

    with pytest.raises(ValueError, match=r"Add it to configs/slack.yaml"):
        action(context(pack="slack"), "Hello")
