"""The text that runs on a remote host, made so that nothing secret stands in the arguments of a remote process.

What sshd is asked to run is always the same few words; the environment, the command and sudo's password follow on
its stdin, where ``ps`` does not look::

    <password>            only with sudo_password; sudo takes it, or, needing none, leaves it to be skipped
    <mark>                what follows is the script
    export … cd … command
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

#: bash where there is one, since login shells mostly are; it tells its number, skips to the mark, runs the rest.
_CHOOSE = 'if command -v bash >/dev/null 2>&1; then exec bash -c "$0"; else exec sh -c "$0"; fi'


@dataclass(frozen=True, kw_only=True)
class RemoteCommand:
    """``line`` is what the server is asked to run, ``stdin`` what it is then told; both are text.

    The first line on stderr is ``<mark> <pid>``: the process whose group is the command's.
    """

    mark: str
    line: str
    stdin: str
    sudo: Sequence[str]
    secret: str = field(repr=False)

    def kill_line(self, pid: int, signal_name: str) -> str:
        """What ends the command from another session, given ``secret`` on stdin: its process group, or it alone."""
        return shlex.join(
            [*self.sudo, "sh", "-c", f"kill -{signal_name} -{pid} || kill -{signal_name} {pid}"]
        )


def remote_command(
    script: str,
    *,
    mark: str,
    cwd: str,
    environment: Mapping[str, str],
    sudo: bool,
    password: str,
) -> RemoteCommand:
    """``script`` (shell text) in ``cwd`` with ``environment``, as root when ``sudo``. ``mark`` is unique to the run."""
    inner = (
        f'printf "%s %s\\n" {mark} $$ >&2; '
        f'while IFS= read -r l; do [ "$l" = {mark} ] && break; done; eval "$(cat)"'
    )
    rights = []
    if sudo:
        rights = ["sudo", "-S", "-p", "", "--"] if password else ["sudo", "-n", "--"]
    line = "exec " + shlex.join([*rights, "sh", "-c", _CHOOSE, inner])
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
    folder = f"cd {shlex.quote(cwd)} || exit 1\n" if cwd else ""
    secret = f"{password}\n" if sudo and password else ""
    return RemoteCommand(
        mark=mark,
        line=line,
        stdin=f"{secret}{mark}\n{exports}{folder}{script}\n",
        # To kill what sudo started takes sudo again.
        sudo=rights,
        secret=secret,
    )
