"""The packs that the benchmarks load: made on the spot, in a temporary folder."""

from __future__ import annotations

from pathlib import Path

_PACK = "name: bench\nref: bench\nversion: 1.0.0\ndescription: Benchmarks\nauthor: st_ops\nemail: root@localhost\n"

_PYTHON = """\
from st2common.runners.base_action import Action


class Answer(Action):
    def run(self, number=0):
        return {"number": number}
"""


def write_pack(root: Path, *, rules: int = 1, chain: int = 100) -> Path:
    """A pack ``bench`` below ``root``: ``rules`` rules on one webhook, trivial actions, a chain of ``chain`` tasks."""
    pack = root / "bench"
    for folder in ("actions/workflows", "rules"):
        (pack / folder).mkdir(parents=True)
    (pack / "pack.yaml").write_text(_PACK)
    (pack / "actions" / "answer.py").write_text(_PYTHON)
    (pack / "actions" / "answer.yaml").write_text(
        "name: answer\nrunner_type: python-script\nentry_point: answer.py\n"
        "parameters:\n  number:\n    type: integer\n    default: 0\n"
    )
    (pack / "actions" / "chain.yaml").write_text(
        "name: chain\nrunner_type: orquesta\nentry_point: workflows/chain.yaml\n"
    )
    (pack / "actions" / "workflows" / "chain.yaml").write_text(_chain(chain))
    for number in range(rules):
        (pack / "rules" / f"rule_{number}.yaml").write_text(_rule(number))
    return root


def _chain(length: int) -> str:
    tasks = []
    for number in range(length):
        follow = f"\n    next:\n      - do: t{number + 1}" if number + 1 < length else ""
        tasks.append(f"  t{number}:\n    action: core.noop{follow}")
    return "version: 1.0\ntasks:\n" + "\n".join(tasks) + "\n"


def _rule(number: int) -> str:
    return (
        f"name: rule_{number}\nenabled: true\n"
        "trigger:\n  type: core.st2.webhook\n  parameters:\n    url: bench\n"
        "criteria:\n"
        f"  trigger.body.host:\n    type: equals\n    pattern: host{number}\n"
        "  trigger.body.state:\n    type: equals\n    pattern: down\n"
        "action:\n  ref: core.noop\n"
    )
