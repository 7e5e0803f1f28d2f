"""winrm-cmd, winrm-ps-cmd and winrm-ps-script: commands and PowerShell on Windows hosts (StackStorm 1.3).

Needs the extra ``winrm`` (pywinrm); without it every run fails with a sentence that says so.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from st_ops.model.executions import Outcome
from st_ops.runners.arguments import script_arguments
from st_ops.runners.base import Console, Job, Stop
from st_ops.runners.options import RunnerOptions
from st_ops.runners.output import Budget, Output
from st_ops.runners.process import Ended
from st_ops.runners.shell import failed, script_path, shell_outcome

_MISSING = "WinRM is not installed. Install it with: pip install 'st_ops[winrm]'"

#: Seconds that the server may hold a request open beyond the run's own timeout.
_READ_SLACK = 10


class WinRmRunner:
    """Runs the three WinRM runner types, a connection each."""

    names: tuple[str, ...] = ("winrm-cmd", "winrm-ps-cmd", "winrm-ps-script")
    inline = False

    def __init__(self, options: RunnerOptions) -> None:
        self._options = options

    def run(self, job: Job, console: Console, stop: Stop) -> Outcome:
        """See ``base.Runner.run``; the result has the shape of local-shell-cmd's."""
        try:
            import winrm  # type: ignore[import-not-found]
        except ImportError:
            return failed(_MISSING)
        try:
            text, powershell = _what(job)
            ended = self._watch(winrm, job, text, powershell, console, stop)
        except ValueError as error:
            return failed(str(error))
        except Exception as error:  # noqa: BLE001 - the edge to a library without an error root of its own
            return failed(f"{job.runner_parameters['host']}: {type(error).__name__}: {error}")
        return shell_outcome(ended, job.timeout, {})

    def close(self) -> None:
        """Nothing is held."""

    def _watch(
        self, winrm: ModuleType, job: Job, text: str, powershell: bool, console: Console, stop: Stop
    ) -> Ended:
        """Run in a thread, since the library can only block; on stop or timeout the shell is closed over its head."""
        protocol = _protocol(winrm, job.runner_parameters, job.timeout)
        shell_id = protocol.open_shell(
            working_directory=job.runner_parameters.get("cwd"), env_vars=_environment(job)
        )
        command = _powershell(text) if powershell else text
        box: dict[str, Any] = {}
        over = threading.Event()

        def work() -> None:
            try:
                command_id = protocol.run_command(shell_id, command)
                box["output"] = protocol.get_command_output(shell_id, command_id)
            except Exception as error:  # noqa: BLE001 - handed to the waiting thread, which raises it
                box["error"] = error
            over.set()

        thread = threading.Thread(target=work, name="winrm", daemon=True)
        thread.start()
        stop.on_set(over.set)
        done = over.wait(job.timeout)
        stopped = "" if "output" in box or "error" in box else (stop.reason if done else "timeout")
        protocol.close_shell(shell_id)
        if "error" in box and not stopped:
            raise box["error"]
        stdout, stderr, code = box.get("output", (b"", b"", -9))
        return self._ended(stdout, stderr, code, stopped, console)

    def _ended(self, stdout: bytes, stderr: bytes, code: int, stopped: str, console: Console) -> Ended:
        budget = Budget(self._options.output_bytes)
        texts = []
        for stream, data in (("stdout", stdout), ("stderr", stderr)):
            output = Output(console, stream, budget)  # type: ignore[arg-type]
            output.feed(data)
            output.close()
            texts.append(output.text)
        return Ended(exit_code=code, stdout=texts[0], stderr=texts[1], stopped=stopped)


def _what(job: Job) -> tuple[str, bool]:
    """The text to run, and whether it is PowerShell. Raises ValueError with a sentence."""
    if job.action.runner_type != "winrm-ps-script":
        if not job.runner_parameters.get("cmd"):
            raise ValueError("The parameter 'cmd' is missing: there is no command to run.")
        return job.runner_parameters["cmd"], job.action.runner_type == "winrm-ps-cmd"
    script = script_path(job).read_text()
    arguments = script_arguments(job.action, job.parameters, job.runner_parameters.get("kwarg_op") or "-")
    quoted = " ".join("'" + argument.replace("'", "''") + "'" for argument in arguments)
    return f"& {{{script}}} {quoted}", True


def _powershell(text: str) -> str:
    return "powershell -encodedcommand " + base64.b64encode(text.encode("utf-16-le")).decode("ascii")


def _environment(job: Job) -> dict[str, str]:
    own = {name: str(value) for name, value in (job.runner_parameters.get("env") or {}).items()}
    return {**own, **job.environment}


def _protocol(winrm: ModuleType, given: Mapping[str, Any], timeout: float | None) -> Any:
    wait = int(timeout or 3600)
    return winrm.protocol.Protocol(
        endpoint=f"{given.get('scheme') or 'https'}://{given['host']}:{given.get('port') or 5986}/wsman",
        transport=given.get("transport") or "ntlm",
        username=given["username"],
        password=given["password"],
        server_cert_validation="ignore" if given.get("verify_ssl_cert") is False else "validate",
        operation_timeout_sec=wait,
        read_timeout_sec=wait + _READ_SLACK,
    )
