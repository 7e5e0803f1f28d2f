"""A real OpenSSH server as the machine to provision: it lets in whoever runs the tests, by key only."""

from __future__ import annotations

import base64
import getpass
import hashlib
import subprocess
from pathlib import Path

from tests.servers.process import Server, Yard, free_port, listens
from tests.servers.programs import SSHD


class Sshd:
    """A running server. Paths are files a client is given: ``key_path`` private, ``known_hosts_path`` public."""

    host = "127.0.0.1"
    #: Further names of the same machine: all of 127.0.0.0/8 is loopback.
    hosts = (host, "127.0.0.2", "127.0.0.3", "127.0.0.4")

    def __init__(self, yard: Yard) -> None:
        command = SSHD.require()
        self.port = free_port()
        self.user = getpass.getuser()
        room = yard.room("sshd")
        self.key_path = _new_key(room / "client_key")
        host_key = _new_key(room / "host_key")
        public = host_key.with_suffix(".pub").read_text().split()
        #: ``SHA256:…`` of the host key, as ssh-keygen prints it.
        self.fingerprint = _fingerprint(public[1])
        self.known_hosts_path = room / "known_hosts"
        names = ",".join(f"[{host}]:{self.port}" for host in self.hosts)
        self.known_hosts_path.write_text(f"{names} {public[0]} {public[1]}\n")
        #: The home folder of sessions, so that none touches that of whoever runs the tests.
        self.home = room / "home"
        self.home.mkdir()
        (room / "authorized_keys").write_text(self.key_path.with_suffix(".pub").read_text())
        (room / "sshd_config").write_text(
            "".join(f"ListenAddress {host}\n" for host in self.hosts)
            + f"Port {self.port}\nHostKey {host_key}\n"
            f"AuthorizedKeysFile {room / 'authorized_keys'}\nPidFile {room / 'pid'}\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPubkeyAuthentication yes\n"
            # The folder lies in /tmp, which others may write to.
            "StrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\nMaxStartups 200:30:400\n"
            f"SetEnv HOME={self.home}\n"
            "MaxSessions 200\nAcceptEnv ST2_* ST_OPS_*\nSubsystem sftp internal-sftp\nLogLevel VERBOSE\n"
        )
        # As root, sshd wants this folder for its unprivileged half.
        Path("/run/sshd").mkdir(exist_ok=True) if self.user == "root" else None
        self._server = Server(
            yard,
            [command, "-D", "-e", "-f", str(room / "sshd_config")],
            room=room,
            ready=lambda: listens(self.port),
        )
        self._server.start()

    def start(self) -> None:
        """Start it again on the same port with the same keys, unless it runs."""
        self._server.start()

    def stop(self, *, kill: bool = False) -> None:
        """Stop it; sessions under way live on unless ``kill``."""
        self._server.stop(kill=kill)


def _new_key(path: Path) -> Path:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "st_ops tests", "-f", path],
        check=True,
        capture_output=True,
    )
    return path


def _fingerprint(public_key: str) -> str:
    digest = hashlib.sha256(base64.b64decode(public_key)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
