"""A stand-in for docker: a program that remembers what it was asked, and runs the command here instead of contained.

Which image it is asked for says how it behaves: ``absent`` cannot be had, ``hungry`` is killed for its memory, ``deaf``
heeds no signal; any other runs the command. A container is a file in ``containers/`` from its start to its removal, as
a daemon would keep it whatever becomes of the client.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_PROGRAM = """#!{python} -I
import json, os, signal, subprocess, sys
state = {state!r}
asked, words = sys.argv[1], sys.argv[2:]
with open(state + "/calls", "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")

def complain(text, code):
    print(text, file=sys.stderr)
    sys.exit(code)

def labels_of(name):
    with open(state + "/containers/" + name) as file:
        return json.load(file)

if asked == "run":
    taking = ("--name", "--label", "--env-file", "--env", "--pull", "--workdir", "--user", "--network", "--mount",
              "--memory", "--memory-swap", "--cpus", "--pids-limit", "--ulimit", "--entrypoint")
    options = []
    while words[0].startswith("-"):
        option = words.pop(0)
        options.append((option, words.pop(0) if option in taking else ""))
    image, command = words[0], words[1:]
    one = dict(options)
    with open(one["--env-file"]) as file:
        lines = file.read().splitlines()
    variables = dict(line.split("=", 1) for line in lines)
    variables.update((name, os.environ[name]) for option, name in options if option == "--env")
    mode = oct(os.stat(one["--env-file"]).st_mode & 0o777)
    with open(state + "/run.json", "w") as file:
        json.dump({{"options": options, "image": image, "command": command, "variables": variables, "mode": mode,
                   "path": one["--env-file"], "client": dict(os.environ), "cmdline": sys.argv}}, file)
    if image == "absent":
        complain("Unable to find image 'absent:latest' locally\\ndocker: Error response from daemon: pull access "
                 "denied for absent.\\n\\nRun 'docker run --help' for more information", 125)
    with open(state + "/containers/" + one["--name"], "w") as file:
        json.dump(dict(value.split("=", 1) for option, value in options if option == "--label"), file)
    if image == "hungry":
        open(state + "/containers/" + one["--name"] + ".oom", "w").close()
        sys.exit(137)
    if image == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    words = [one["--entrypoint"], *command] if "--entrypoint" in one else command
    if not words:
        sys.exit(0)
    child = subprocess.Popen(words, env={{"PATH": os.environ["PATH"], **variables}})
    if image != "deaf":
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    code = child.wait()
    sys.exit(code if code >= 0 else 128 - code)
elif asked == "rm":
    path = state + "/containers/" + words[-1]
    if not os.path.exists(path):
        complain("Error response from daemon: No such container: " + words[-1], 1)
    os.unlink(path)
elif asked == "inspect":
    name = words[-1]
    if "OOMKilled" in words[1]:
        print("true" if os.path.exists(state + "/containers/" + name + ".oom") else "false")
    else:
        print(labels_of(name).get("st_ops.worker", ""))
elif asked == "ps":
    key, _, value = words[-1].removeprefix("label=").partition("=")
    for name in os.listdir(state + "/containers"):
        if labels_of(name).get(key) == value:
            print(name)
"""


class FakeEngine:
    """The program, and what it remembers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "containers").mkdir(parents=True)
        self.program = folder / "docker"
        self.program.write_text(_PROGRAM.format(python=sys.executable, state=str(folder)))
        self.program.chmod(0o755)

    @property
    def ran(self) -> dict[str, Any]:
        """The last ``run``: its options in order, image, command, variables, and how it got them."""
        found: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return found

    def option(self, name: str) -> list[str]:
        """The values that ``run`` was given for an option."""
        return [value for option, value in self.ran["options"] if option == name]

    @property
    def calls(self) -> list[list[str]]:
        """Everything it was asked."""
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]

    @property
    def containers(self) -> list[str]:
        """The containers there are, running or not."""
        return [path.name for path in (self.folder / "containers").iterdir() if path.suffix != ".oom"]

    def leave(self, name: str, **labels: str) -> None:
        """A container that somebody left."""
        text = json.dumps({f"st_ops.{key}": value for key, value in labels.items()})
        (self.folder / "containers" / name).write_text(text)
