"""Names of settings, in the file and in the environment: which are none, and which one was probably meant. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

#: What the variables of settings start with.
PREFIX = "ST_OPS_"
#: Between the table and the name in a variable.
DELIMITER = "__"

#: Variables with our prefix that are no settings: those that say where things are, those that running actions see
#: (a platform may be started by one), those of docker-compose.yml, and those of the tests.
OTHERS = frozenset(
    PREFIX + name
    for name in (
        "HOME", "CONFIG", "URL", "TOKEN",
        "EXECUTION_ID", "ARTIFACTS", "WORKDIR", "SANDBOX", "PACK_PATH",
        "DB_PASSWORD", "BUS_PASSWORD", "PACKS_DIR", "PUBLISH",
        "FAULT_SEED",
    )
)  # fmt: skip

#: Table → the names of the settings in it.
Known = Mapping[str, Collection[str]]


def unknown_in_file(values: Mapping[str, Any], known: Known) -> str:
    """What to say of the first name in the content of a settings file that is none; "" when all are."""
    for table, content in values.items():
        if table not in known:
            near = _near(table, known)
            hint = f" Did you mean [{near}]?" if near else ""
            return f"There is no table [{table}].{hint} There are {', '.join(sorted(known))}."
        if isinstance(content, Mapping):
            for name in content:
                if name not in known[table]:
                    return _unknown_name(table, str(name), known)
    return ""


def _unknown_name(table: str, name: str, known: Known) -> str:
    near = _near(name, known[table])
    meant = (
        f"{table}.{near}"
        if near
        else next((f"{other}.{name}" for other in known if name in known[other]), "")
    )
    hint = f" Did you mean '{meant}'?" if meant else ""
    return f"There is no setting '{table}.{name}'.{hint} [{table}] has {', '.join(sorted(known[table]))}."


def unknown_in_environment(variables: Iterable[str], known: Known) -> str:
    """What to say of the first variable with our prefix that is none of ours; "" when all are."""
    names = {variable_of(table, name) for table, names in known.items() for name in names}
    ours = names | OTHERS
    for variable in sorted(variables):
        if variable.upper().startswith(PREFIX) and variable.upper() not in ours:
            # Without what all begin with, which would make everything alike.
            bare = {name.removeprefix(PREFIX) for name in ours}
            near = _near(variable.upper().removeprefix(PREFIX), sorted(bare))
            hint = f" Did you mean {PREFIX}{near}?" if near else ""
            form = f"They are called {PREFIX}<TABLE>{DELIMITER}<NAME>; docs/settings.md lists them."
            return f"The environment variable {variable} is no setting.{hint} {form}"
    return ""


def variable_of(table: str, name: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{table}{DELIMITER}{name}".upper()


def _near(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.7)
    return close[0] if close else ""
