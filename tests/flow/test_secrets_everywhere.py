"""Secrets stay secret (guarantee 10): every kind of secret, printed and returned in every way, is shown nowhere."""

from __future__ import annotations

import hashlib
import json
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from tests.flow.fixtures import MakePlatform
from tests.flow.platform import Platform

PARAMETER, CONFIG, KEY_VALUE, OUTPUT = (
    "param-9f31c0",
    "config-77ab12",
    "kv-5d0e44\nsecond-line-61",
    "output-c3aa90",
)
#: What must be found nowhere: a secret of several lines is printed line by line.
SECRETS = (PARAMETER, CONFIG, *KEY_VALUE.splitlines(), OUTPUT)

PACK = {
    "pack.yaml": "name: vault\ndescription: Tests.\nversion: 1.0.0\nauthor: tests\n",
    "config.schema.yaml": "api_key: {type: string, secret: true}\nuser: {type: string}\n",
    "actions/show.yaml": """\
        name: show
        runner_type: python-script
        entry_point: show.py
        parameters:
          password: {type: string, secret: true, required: true}
          from_config: {type: string, default: "key {{ config_context.api_key }}"}
          opened: {type: string, default: "{{ st2kv.system.token | decrypt_kv }}"}
    """,
    "actions/show.py": """\
        import json
        import sys
        from st2common.runners.base_action import Action

        class Show(Action):
            def run(self, password, from_config, opened):
                read = self.action_service.get_value("token", local=False, decrypt=True)
                self.action_service.set_value("copy", read + "!", local=False, encrypt=True)
                found = [password, self.config["api_key"], from_config, opened, read]
                print(*found)
                print(json.dumps(found), end="")
                sys.stderr.write("x" * 65500 + password + "\\n")
                self.logger.info("found %s", found)
                return {"found": found, password: 1}
    """,
    "actions/fail.yaml": """\
        name: fail
        runner_type: python-script
        entry_point: fail.py
        parameters: {password: {type: string, secret: true, required: true}}
    """,
    "actions/fail.py": """\
        from st2common.runners.base_action import Action

        class Fail(Action):
            def run(self, password):
                raise ValueError(f"{password} does not fit {self.config['api_key']}")
    """,
    "actions/make.yaml": f"""\
        name: make
        runner_type: python-script
        entry_point: make.py
        parameters: {{seed: {{type: string, default: {OUTPUT[::-1]}}}}}
        output_schema: {{made: {{type: string, secret: true}}, user: {{type: string}}}}
    """,
    "actions/make.py": """\
        from st2common.runners.base_action import Action

        class Make(Action):
            def run(self, seed):
                return {"made": seed[::-1], "user": "ada"}
    """,
    "actions/flow.yaml": """\
        name: flow
        runner_type: orquesta
        entry_point: workflows/flow.yaml
        parameters: {password: {type: string, secret: true, required: true}}
        output_schema: {made: {type: string, secret: true}}
        notify: {on-complete: {message: over, routes: [chat]}}
    """,
    "actions/workflows/flow.yaml": """\
        version: 1.0
        input: [password]
        vars: [{opened: '<% st2kv("system.token", decrypt => true) %>'}]
        tasks:
          make:
            action: vault.make
            next: [{when: "<% succeeded() %>", publish: [{made: "<% result().result.made %>"}], do: use}]
          use:
            action: core.local
            input:
              cmd: >-
                echo 'all: <% ctx().made %> <% ctx().password %> <% ctx().opened %>';
                printf %s '<% ctx().made %><% ctx().password %><% ctx().opened %>' | sha256sum
            next: [{publish: [{said: "<% result().stdout %>"}], do: again}]
          again: {action: core.local cmd="echo <% ctx().password %> >&2; exit 1"}
        output:
          - made: <% ctx().made %>
          - shown: <% ctx().password %> and <% ctx().made %>
          - said: <% ctx().said %>
    """,
    "actions/chain.yaml": """\
        name: chain
        runner_type: action-chain
        entry_point: chains/chain.yaml
        parameters: {password: {type: string, secret: true, required: true}}
    """,
    "actions/chains/chain.yaml": """\
        vars: {opened: "{{ st2kv.system.token | decrypt_kv }}"}
        chain:
          - name: first
            ref: core.local
            parameters: {cmd: "echo '{{ password }} {{ opened }} {{ config_context.api_key }}'"}
            publish: {got: "{{ first.stdout }} {{ password }}"}
    """,
    "rules/on_hook.yaml": """\
        name: on_hook
        enabled: true
        trigger: {type: core.st2.webhook, parameters: {url: vault}}
        action:
          ref: core.local
          parameters:
            cmd: >-
              echo '{{ st2kv.system.token | decrypt_kv }}' | wc -c;
              echo '{{ st2kv.system.token | decrypt_kv }}'
    """,
    "rules/on_end.yaml": """\
        name: on_end
        enabled: true
        trigger: {type: core.st2.generic.actiontrigger}
        criteria: {trigger.action_name: {type: equals, pattern: make}}
        action: {ref: core.noop}
    """,
    "rules/on_notice.yaml": """\
        name: on_notice
        enabled: true
        trigger: {type: core.st2.generic.notifytrigger}
        action: {ref: core.noop}
    """,
}  # fmt: skip


def packs_in(folder: Path, files: Mapping[str, str] = PACK) -> Path:
    for name, text in files.items():
        path = folder / "vault" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


@contextmanager
def gathered(read: Callable[[], Iterator[str]], poke: Callable[[], object]) -> Iterator[list[str]]:
    """What ``read`` yields while the block runs; ``poke`` makes it yield once more."""
    found: list[str] = []
    over = threading.Event()
    begun = threading.Event()

    def gather() -> None:
        for piece in read():
            found.append(piece)
            begun.set()
            if over.is_set():
                return

    thread = threading.Thread(target=gather, daemon=True)
    thread.start()
    assert begun.wait(10)
    yield found
    over.set()
    poke()
    thread.join(30)


def stream_of(platform: Platform) -> Callable[[], Iterator[str]]:
    """Everything on the event stream."""

    def read() -> Iterator[str]:
        headers = {"X-Auth-Token": platform.http.headers["X-Auth-Token"]}
        with httpx.stream(
            "GET", f"{platform.url}/v1/stream", headers=headers, timeout=30, trust_env=False
        ) as answer:
            yield from answer.iter_text()

    return read


def bus_of(url: str) -> Callable[[], Iterator[str]]:
    """Every command that reaches the Redis of the bus."""

    def read() -> Iterator[str]:
        with redis.Redis.from_url(url, socket_timeout=None) as client, client.monitor() as monitor:
            yield "listening"
            for command in monitor.listen():
                yield str(command)

    return read


def ran(platform: Platform, action: str, **parameters: Any) -> dict[str, Any]:
    return platform.await_status(platform.run(action, **parameters), deadline=60)


def assert_hidden(what: str, text: str | bytes) -> None:
    plain = text if isinstance(text, str) else text.decode("latin-1")
    for secret in SECRETS:
        assert secret not in plain, f"{secret} shows in {what}"


@pytest.mark.slow
def test_no_secret_shows_anywhere(make_platform: MakePlatform, tmp_path: Path, redis_url: str) -> None:
    platform = make_platform(
        packs=[packs_in(tmp_path / "packs")],
        configs={"vault": {"api_key": CONFIG, "user": "ada"}},
        settings={"bus": {"url": redis_url, "sweep_seconds": 0.5}, "logs": {"level": "debug"}},
    )
    platform.start()
    platform.http.put("/keys/token", json={"value": KEY_VALUE, "secret": True}).raise_for_status()

    def poke() -> str:
        return platform.run("core.noop")

    with gathered(stream_of(platform), poke) as stream, gathered(bus_of(redis_url), poke) as bus:
        show = ran(platform, "vault.show", password=PARAMETER)
        fail = ran(platform, "vault.fail", password=PARAMETER)
        given = ran(
            platform, "core.local", cmd="echo {{ st2kv.system.token | decrypt_kv | replace('\\n', '') }}"
        )
        flow = ran(platform, "vault.flow", password=PARAMETER)
        chain = ran(platform, "vault.chain", password=PARAMETER)
        event = platform.post("/webhooks/vault", {"some": "thing"})["id"]
        ruled = platform.await_status(platform.await_execution_of(event)["id"])
        again = platform.http.post(f"/executions/{given['id']}/re_run", json={}).json()
        again = platform.await_status(again["id"])
    assert_worked(platform, show, flow, chain, ruled, again)
    assert fail["status"] == "failed"
    assert_hidden("the stream", "".join(stream))
    assert len(stream) > 5
    assert_hidden("the bus", "\n".join(bus))
    assert len(bus) > 20
    assert_hidden_in_answers(platform)
    platform.stop()
    assert_hidden("the log", platform.processes["up"].log.read_text())
    for path in platform.home.glob("st_ops.db*"):
        assert_hidden(path.name, path.read_bytes())


def assert_worked(platform: Platform, show: Any, flow: Any, chain: Any, ruled: Any, again: Any) -> None:
    """The actions were given the secrets themselves, not their masks."""
    mask = "********"
    assert show["status"] == "succeeded", show
    assert show["result"]["result"][mask] == 1
    kept = platform.get("/keys/copy", decrypt=True)
    assert kept["value"] == KEY_VALUE + "!"
    make, use, _ = platform.children(flow["id"])
    assert make["result"]["result"] == {"made": mask, "user": "ada"}
    assert platform.get(f"/executions/{make['id']}", show_secrets=True)["result"]["result"]["made"] == OUTPUT
    digest = hashlib.sha256((OUTPUT + PARAMETER + KEY_VALUE).encode()).hexdigest()
    assert digest in use["result"]["stdout"]
    assert use["parameters"]["cmd"] == mask
    assert "hidden" not in use["context"]
    assert flow["status"] == "failed"
    assert flow["result"]["output"]["made"] == mask
    assert flow["result"]["output"]["shown"] == f"{mask} and {mask}"
    shown = platform.get(f"/executions/{flow['id']}", show_secrets=True)
    assert shown["result"]["output"]["made"] == OUTPUT
    assert chain["status"] == "succeeded"
    assert chain["result"]["published"]["got"] == " ".join([mask] * 4)
    assert ruled["result"]["stdout"].splitlines()[0] == str(len(KEY_VALUE) + 1)
    assert again["parameters"]["cmd"] == mask
    assert again["result"]["stdout"] == mask * 2


def assert_hidden_in_answers(platform: Platform) -> None:
    pages = [
        "/executions?limit=100", "/audit?limit=1000", "/triggerinstances?limit=100", "/ruleenforcements?limit=100",
        "/keys?scope=all", "/actions?limit=100", "/packs/views/files/vault",
    ]  # fmt: skip
    executions = platform.get("/executions", limit=100)
    assert len(executions) >= 12
    for entry in executions:
        path = f"/executions/{entry['id']}"
        pages += [
            path,
            f"{path}/output",
            f"{path}/result?download=true",
            f"{path}/children",
            f"{path}/attribute/parameters",
        ]
    for page in pages:
        answer = platform.http.get(page)
        if answer.status_code == 404:
            continue
        assert_hidden(page, answer.text)
    events = platform.get("/triggerinstances", limit=100)
    told = {event["trigger"] for event in events}
    assert {"core.st2.generic.actiontrigger", "core.st2.generic.notifytrigger"} <= told
    assert json.dumps(events).count("********") > 1
