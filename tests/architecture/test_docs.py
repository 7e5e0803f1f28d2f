"""The documents say what is there, all of it, and nothing that is not."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from st_ops.cli.main import app
from st_ops.model.operator_names import OPERATOR_NAMES
from st_ops.model.resources import Action, Resource, Rule
from st_ops.model.runner_types import RUNNER_TYPES
from st_ops.model.status import Status
from st_ops.services import STAGES
from tests.architecture.reference_pages import PAGES, ROOT, commands, settings

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("packs/*/README.md")])
PACKS = sorted(folder.parent for folder in ROOT.glob("packs/*/pack.yaml"))
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "Dockerfile"

#: Parts of paths that only one machine has, and addresses of package indexes and mirrors. (StackStorm's user is
#: stanley everywhere, and has its home where it says.)
_OF_ONE_MACHINE = re.compile(
    r"/home/(?!st_ops|stanley)\w+/|/root/|/Users/|/work/|index-url|find-links|/simple/\w|pypi\.org/simple",
    re.IGNORECASE,
)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def document(name: str) -> str:
    return (ROOT / name).read_text()


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_a_page_that_is_made_from_the_code_is_up_to_date(path: Path):
    assert path.read_text() == PAGES[path](), f"{name_of(path)} is out of date; 'make docs' writes it anew."


def test_every_setting_is_in_the_documents_and_in_the_example():
    page, sample = document("docs/settings.md"), document("conf/st_ops.example.toml")
    for table, section in settings():
        assert f"[{table}]" in sample
        for key, entry in section.model_fields.items():
            assert entry.description, f"{table}.{key} has no description"
            assert f"`{table}.{key}`" in page
            assert f"\n# {key} = " in sample


def test_every_command_is_in_the_documents_and_says_what_it_does():
    page = document("docs/cli.md")
    for name, command in commands():
        assert f"\n## {name}\n" in page
        assert command.help, name


def test_every_operator_runner_status_and_stage_is_explained():
    rules, authors = document("docs/rules.md"), document("docs/pack-authors.md")
    assert [name for name in OPERATOR_NAMES if f"`{name}`" not in rules] == []
    assert [name for name in RUNNER_TYPES if f"`{name}`" not in authors] == []
    statuses = document("docs/concepts.md").partition("## Statuses")[2].partition("\n## ")[0]
    assert [status for status in Status if status not in statuses] == []
    assert [stage for stage in STAGES if f"| `{stage}` |" not in document("docs/administrators.md")] == []


def test_every_key_of_an_action_and_a_rule_that_is_our_own_is_explained():
    """All but those every file has."""
    common = {*Resource.model_fields, "runner_type", "entry_point", "parameters", "context"}
    authors, rules = document("docs/pack-authors.md"), document("docs/rules.md")
    assert [key for key in Action.model_fields if key not in common and f"`{key}`" not in authors] == []
    keys = [key for key in Rule.model_fields if key not in common]
    assert [key for key in keys if f"`{key}" not in rules and f"{key}:" not in rules] == []


def links() -> Iterator[tuple[str, str]]:
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
            if not re.match(r"https?:", target):
                yield name_of(path), target


@pytest.mark.parametrize(("page", "target"), [*links()])
def test_a_link_leads_somewhere(page: str, target: str):
    file, _hash, anchor = target.partition("#")
    path = (ROOT / page).parent / file if file else ROOT / page
    assert path.exists()
    if anchor:
        headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
        assert anchor in [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def told_commands() -> Iterator[tuple[str, str]]:
    """Each line ``st-ops …`` in the code blocks of the documents."""
    for path in DOCUMENTS:
        for block in re.findall(r"^```(?:sh)?\n(.*?)^```$", path.read_text(), re.DOTALL | re.MULTILINE):
            for line in block.splitlines():
                if re.match(r"(docker compose exec \w+ )?st-ops ", line):
                    yield name_of(path), line[line.index("st-ops ") :]


@pytest.mark.parametrize(("page", "line"), [*dict.fromkeys(told_commands())])
def test_a_command_in_the_documents_is_one_that_can_be_typed(page: str, line: str):
    words = shlex.split(line, comments=True)[1:]
    if page == "docs/cli.md":
        words = [word for word in words if word not in ("COMMAND", "[OPTIONS]")]
    parse(words)


def parse(words: list[str]) -> str:
    """The name of the command that ``words`` call. Raises what the parser raises when they cannot be typed."""
    command: Any = typer.main.get_command(app)
    name, rest = "st-ops", list(words)
    while getattr(command, "commands", None):
        assert rest, f"{name} needs a command"
        assert rest[0] in command.commands, f"{name} has no command '{rest[0]}'"
        name, command = f"{name} {rest[0]}", command.commands[rest.pop(0)]
    command.make_context(name, rest)
    return name


def services() -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load(COMPOSE.read_text())["services"])


def test_there_is_a_container_for_each_stage_with_a_command_that_can_be_typed():
    served = []
    for service in services().values():
        if service["image"] == "st_ops":
            assert parse(service["command"]) == "st-ops serve"
            served.append(service["command"][1])
    assert sorted(served) == sorted(STAGES)


def test_the_compose_file_names_only_what_it_has():
    whole = yaml.safe_load(COMPOSE.read_text())
    for name, service in whole["services"].items():
        for wanted, how in service.get("depends_on", {}).items():
            assert wanted in whole["services"], name
            if how["condition"] == "service_healthy":
                assert "test" in whole["services"][wanted]["healthcheck"], wanted
        for volume in service.get("volumes", []):
            source = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", volume).partition(":")[0]
            assert source in whole["volumes"], f"{name}: {volume}"


def test_the_settings_that_containers_are_given_exist():
    known = {
        f"ST_OPS_{table}__{key}".upper() for table, section in settings() for key in section.model_fields
    }
    known |= {"ST_OPS_HOME", "ST_OPS_CONFIG"}
    named = re.findall(r"\b(ST_OPS_[A-Z_]+)\s*[:=]", DOCKERFILE.read_text())
    for service in services().values():
        named += [name for name in service.get("environment", {}) if name.startswith("ST_OPS_")]
    assert named
    assert set(named) <= known


def test_no_password_is_written_into_the_compose_file():
    for line in COMPOSE.read_text().splitlines():
        if re.search(r"PASS|://st_ops:", line) and not line.lstrip().startswith("#"):
            assert re.search(r"\$\{ST_OPS_\w+_PASSWORD:\?", line), line


def test_the_image_is_made_of_files_that_are_there_and_sent_to_the_builder():
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    for line in DOCKERFILE.read_text().splitlines():
        words = line.split()
        if words[:1] == ["COPY"] and not words[1].startswith("--from"):
            for source in words[1:-1]:
                assert (ROOT / source).exists(), source
                assert f"!{source}" in sent, f"{source} is kept from the builder by .dockerignore"


def test_the_image_runs_as_nobody_in_particular_and_installs_by_hash():
    text = DOCKERFILE.read_text()
    final = text.rpartition("\nFROM ")[2]
    assert "\nUSER st_ops\n" in final
    assert "--require-hashes" in text


def test_the_locks_agree_and_name_no_index():
    pins = {}
    for lock in sorted(ROOT.glob("requirements/*.txt")):
        text = lock.read_text()
        assert not re.search(r"^\s*(--(extra-)?index-url|--find-links|-i )|://", text, re.MULTILINE), (
            lock.name
        )
        pins[lock.name] = dict(re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==(\S+)", text, re.MULTILINE))
    for name in ("demo.txt", "runtime.txt"):
        assert pins[name].items() <= pins["dev.txt"].items(), name


@pytest.mark.parametrize("pack", PACKS, ids=lambda folder: folder.name)
def test_a_shipped_pack_says_what_it_is(pack: Path):
    described = yaml.safe_load((pack / "pack.yaml").read_text())
    assert len(described["description"]) > 20
    assert described["version"]


def test_no_file_knows_one_machine():
    found = []
    for path in tracked():
        if path.parent == Path(__file__).parent or path.suffix in (".png", ".gz", ".zip"):
            continue
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            if _OF_ONE_MACHINE.search(line) and "--no-emit-index-url" not in line:
                found.append(f"{name_of(path)}:{number}: {line.strip()[:120]}")
    assert found == []


def test_the_changelog_has_a_place_for_what_is_not_released():
    text = document("CHANGELOG.md")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    kinds = re.findall(r"^### (.*)$", text, re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_every_guarantee_names_tests_that_exist():
    text = document("docs/guarantees.md")
    parts = re.split(r"^## (?=\d+\. )", text, flags=re.MULTILINE)[1:]
    assert [int(part.partition(".")[0]) for part in parts] == list(range(1, 12))
    for part in parts:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", part)
        assert named, part
        for file, test in named:
            assert f"def {test}(" in (ROOT / file).read_text(), f"{file}::{test}"
