"""What the demo does, in order, and what it shows of it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from st_ops.cli.tree import Watcher, draw, follow
from st_ops.demo.alert import SERVICE, Alert
from st_ops.demo.audit_trail import audit_trail
from st_ops.demo.aws import DOMAIN, PORT, DemoAws, Held
from st_ops.demo.children import Children
from st_ops.demo.machine import USER, DemoMachine
from st_ops.demo.platform import DemoPlatform

#: Seconds a workflow may take.
_WORKFLOW_SECONDS = 90


class DemoFailed(Exception):
    """Raised when the world is not as it should be at some point of the demo."""


class Story:
    """One run of the demo in ``folder``; what it starts is ended through ``stack``."""

    def __init__(self, console: Console, folder: Path, stack: ExitStack) -> None:
        self._console = console
        self._alert = Alert()
        self._children = Children(folder)
        stack.callback(self._children.close)
        self._started = time.monotonic()
        self.aws = DemoAws(self._children, folder)
        self.machine = DemoMachine(folder)
        stack.callback(self.machine.close)
        self.aws.prepare()
        self.platform = DemoPlatform(self._children, folder, self._configs())
        stack.callback(self.platform.close)

    def tell(self) -> None:
        """Everything. Raises DemoFailed, StartFailed, TimeoutError or httpx.HTTPError."""
        self._prepared()
        event = self._alert_comes_in()
        self._workflow(event)
        held = self._aws_holds(lambda held: held.fault())
        self._provisioned(next(iter(held.records)))
        self._console.print(Padding(audit_trail(self.platform, event), (1, 2)))
        self._workflow(self._alert_is_resolved())
        self._aws_holds(lambda held: "" if held.nothing else "AWS still holds something of the service.")
        self._line("passed", f"in {time.monotonic() - self._started:.1f} s")

    def _configs(self) -> dict[str, dict[str, object]]:
        web_service = {
            "image_id": self.aws.image_id,
            "subnet_id": self.aws.subnet_id,
            "hosted_zone_id": self.aws.zone_id,
            "domain": DOMAIN,
            "target_group": self.aws.target_group,
            "service_port": PORT,
            "wait_seconds": 60,
            **self.machine.config,
        }
        return {"aws": self.aws.config, "web_service": web_service}

    def _prepared(self) -> None:
        self._heading("What there is before")
        self._line("AWS", f"moto's server on {self.aws.url}: network, load balancer, zone {DOMAIN}")
        self._line("machine", f"an SSH server on {USER}@127.0.0.1:{self.machine.port}")
        started = time.monotonic()
        self.platform.await_ready()
        self._line(
            "platform", f"st-ops up on {self.platform.url}, ready {time.monotonic() - started:.1f} s later"
        )

    def _alert_comes_in(self) -> str:
        self._heading(f"An alert: {SERVICE} is overloaded")
        answer, status, taken = self.platform.notify(self._alert.firing())
        self._line("notified", f"{status} after {taken:.0f} ms: event {answer['id']} is on disk")
        again, status, _taken = self.platform.notify(self._alert.firing())
        if not again["duplicate"]:
            raise DemoFailed("The same notification again made another event.")
        self._line("again", f"{status}: the same notification, known already and dropped")
        return str(answer["id"])

    def _alert_is_resolved(self) -> str:
        self._heading("The alert is resolved")
        answer, status, taken = self.platform.notify(self._alert.resolved())
        self._line("notified", f"{status} after {taken:.0f} ms: event {answer['id']} is on disk")
        return str(answer["id"])

    def _workflow(self, event: str) -> None:
        execution = self.platform.await_execution(event)
        self._console.print()
        ended = follow(self.platform, str(execution["id"]), self._console, seconds=_WORKFLOW_SECONDS)
        if not self._console.is_terminal:
            # It was told in lines, as it came; now the whole of it.
            state = Watcher(self.platform, str(execution["id"])).look()
            self._console.print(Padding(draw(state, self._console.width - 2), (1, 0, 0, 2)))
        if ended["status"] != "succeeded":
            raise DemoFailed(f"The workflow is {ended['status']}: {ended['result']}")

    def _aws_holds(self, fault_of: Callable[[Held], str]) -> Held:
        self._heading("What AWS holds now, asked through boto3")
        held = self.aws.held()
        self._console.print(Padding(_held_table(held), (0, 2)))
        fault = fault_of(held)
        if fault:
            raise DemoFailed(fault)
        return held

    def _provisioned(self, name: str) -> None:
        """Look at the machine itself: what the platform did there over SSH."""
        wanted = f"services/{SERVICE}/service.conf"
        files = self.machine.files()
        if wanted not in files or name not in (self.machine.home / wanted).read_text():
            raise DemoFailed(f"The machine was not provisioned as {name}; it holds {files}.")
        self._line("machine", f"holds {', '.join(files)}")

    def explain(self) -> str:
        """The end of what the platform printed, for whoever wants to know why the demo failed."""
        return self._children.tail("platform")

    def _heading(self, text: str) -> None:
        self._console.print()
        self._console.print(Rule(Text(text, style="bold"), align="left", style="dim"))

    def _line(self, name: str, text: str) -> None:
        self._console.print(Text.assemble(("  ✓ ", "green"), (f"{name:<10}", "bold"), text))

    def keep(self) -> None:
        """Say where everything is and how to stop it, and wait for that."""
        self._heading("Everything goes on running")
        # The virtualenv of `make demo` is on nobody's path.
        st_ops = os.path.relpath(Path(sys.executable).with_name("st-ops"))
        keys = "AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo"
        self._line("platform", f"{self.platform.url}, token in {self.platform.token_file}")
        self._line("use it", f"{st_ops} execution list --home {self.platform.home}")
        aws = f"aws --endpoint-url {self.aws.url} --region eu-central-1 ec2 describe-instances"
        self._line("AWS", f"{keys} {aws}")
        self._line("stop it", f"Ctrl-C here, or kill {os.getpid()}")


def _held_table(held: Held) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for instance, (state, address) in held.instances.items():
        table.add_row("instance", instance, f"{state}, {address}")
    for name, address in held.records.items():
        table.add_row("record", name, f"A {address}")
    for instance, health in held.targets.items():
        table.add_row("target", instance, health)
    if held.nothing:
        table.add_row("nothing", "no instance, no record, no target", "")
    return table
