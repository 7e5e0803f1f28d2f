"""What the shipped sensors see is acted on: a line in a file, an endpoint that goes down and up, a message in SQS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.flow.cloud import Cloud
from tests.flow.fixtures import MakePlatform
from tests.flow.platform import Platform
from tests.packs.http_endpoint import endpoint
from tests.waiting import eventually


def note(platform: Platform, name: str, trigger: str, text: str, file: Path, **parameters: Any) -> None:
    """Make a rule that appends ``text`` (a template) to ``file`` at every event of ``trigger``."""
    rule = {
        "name": name,
        "pack": "default",
        "enabled": True,
        "trigger": {"type": trigger, "parameters": parameters},
        "action": {"ref": "core.local", "parameters": {"cmd": f"echo '{text}' >> '{file}'"}},
    }
    platform.post("/rules", rule)


def await_lines(file: Path, *lines: str) -> None:
    """Wait until ``file`` holds exactly these lines, in any order."""

    def seen() -> bool:
        found = sorted(file.read_text().splitlines())
        assert found == sorted(lines), found
        return True

    eventually(seen, 30, f"{file.name} to hold {lines}")


def test_what_sensors_see_is_acted_on_once(make_platform: MakePlatform, cloud: Cloud, tmp_path: Path) -> None:
    queue = cloud.make_queue("orders")
    log, notes = tmp_path / "app.log", tmp_path / "notes"
    log.write_text("old\n")
    notes.touch()
    with endpoint() as shop:
        platform = make_platform(
            settings={"sensors": {"enabled": True, "lease_seconds": 5.0}},
            configs={
                "aws": {**cloud.config, "sqs_queues": [queue]},
                "linux": {"file_watch_interval": 0.1},
                "monitoring": {
                    "endpoints": [{"name": "shop", "url": shop.url, "interval": 0.1, "failures": 2}],
                },
            },
        )
        platform.start()
        note(platform, "lines", "linux.file_line", "line {{ trigger.line }}", notes, file_path=str(log))
        note(
            platform,
            "downs",
            "monitoring.endpoint_down",
            "down {{ trigger.name }} {{ trigger.status_code }}",
            notes,
        )
        note(platform, "ups", "monitoring.endpoint_up", "up {{ trigger.name }}", notes)
        note(platform, "orders", "aws.sqs_message", "order {{ trigger.body.order }}", notes)
        eventually(lambda: platform.get("/triggers", type="linux.file_line"), 10, "the trigger of the rule")
        eventually(
            lambda: platform.processes["up"].printed().count("The sensor runs.") >= 3, 20, "sensors to run"
        )
        eventually(lambda: shop.asked, 10, "the endpoint to be checked")

        shop.answer(503)
        cloud.send(queue, {"order": 17})
        # The watch begins at the end of the file: what is added from then on is told.
        eventually(lambda: appended(log, notes), 20, "the file to be watched")
        await_lines(notes, "line new", "down shop 503", "order 17")
        shop.answer(200)
        await_lines(notes, "line new", "down shop 503", "up shop", "order 17")

        eventually(lambda: cloud.messages(queue) == 0, 10, "the message to be deleted")

        # A killed platform tells nothing twice, and misses nothing that was written meanwhile.
        platform.kill()
        with log.open("a") as file:
            file.write("meanwhile\n")
        platform.start()
        await_lines(notes, "line new", "line meanwhile", "down shop 503", "up shop", "order 17")


def appended(log: Path, notes: Path) -> bool:
    """Whether a line added to ``log`` is noticed; it is added once."""
    if log.read_text() == "old\n":
        with log.open("a") as file:
            file.write("new\n")
    return "line new" in notes.read_text()
