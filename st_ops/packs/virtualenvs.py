"""Each pack with a ``requirements.txt`` has a virtualenv of its own, built by uv (by pip where there is no uv)."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from st_ops.errors import UserError
from st_ops.model.resources import Pack

REQUIREMENTS = "requirements.txt"

#: StackStorm puts this into every pack's virtualenv; packs import it without asking for it (reference 1.1).
BASE_REQUIREMENTS = ("six",)

#: Seconds an installation may take.
INSTALL_SECONDS = 900

_DIGEST = ".st_ops_digest"
#: Variables an installer may need: where to find things, proxies, certificates and its own settings.
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
_KEPT_PREFIXES = ("PIP_", "UV_", "XDG_", "HTTP_", "HTTPS_", "NO_", "http_", "https_", "no_", "ALL_PROXY")


class VirtualenvFailed(UserError):
    """Raised when a pack's virtualenv cannot be built; the message ends with what the installer said."""


class Virtualenvs:
    """The virtualenvs in the folder ``root``."""

    def __init__(self, root: Path, base: tuple[str, ...] = BASE_REQUIREMENTS) -> None:
        """``base`` is what every virtualenv gets beside the pack's own requirements."""
        self._root = root
        self._base = base

    def interpreter_for(self, pack: Pack) -> Path:
        """The Python that runs the code of ``pack``: its virtualenv's, else the platform's own.

        It may not exist yet: ``build`` makes it. A pack that asks for a Python the platform's is not has a
        virtualenv even without requirements.
        """
        if not needs_virtualenv(pack):
            return Path(sys.executable)
        return self._folder(pack) / "bin" / "python"

    def is_current(self, pack: Pack) -> bool:
        """True when there is nothing to build: no need, or built for these requirements and this Python."""
        if not needs_virtualenv(pack):
            return True
        try:
            return (self._folder(pack) / _DIGEST).read_text("utf-8") == self._digest(pack)
        except OSError:
            return False

    def build(self, pack: Pack) -> Path:
        """Make the virtualenv of ``pack`` what its requirements say, and return its interpreter.

        Safe to call from several processes at once. The new one is built aside and put in place whole.
        Raises VirtualenvFailed.
        """
        if not self.is_current(pack):
            with self._lock(pack):
                if not self.is_current(pack):  # another process may have built it while we waited
                    self._rebuild(pack)
        return self.interpreter_for(pack)

    def remove(self, pack: str) -> None:
        """Delete the virtualenv of ``pack``, if there is one."""
        shutil.rmtree(self._root / pack, ignore_errors=True)
        (self._root / f".{pack}.lock").unlink(missing_ok=True)

    def _folder(self, pack: Pack) -> Path:
        return self._root / pack.ref

    def _digest(self, pack: Pack) -> str:
        whole = hashlib.sha256()
        requirements = Path(pack.path) / REQUIREMENTS
        if requirements.is_file():
            whole.update(requirements.read_bytes())
        whole.update(f"\n{pack.python}\n{sys.version_info[:2]}\n{self._base}".encode())
        return whole.hexdigest()

    @contextlib.contextmanager
    def _lock(self, pack: Pack) -> Iterator[None]:
        self._root.mkdir(parents=True, exist_ok=True)
        with (self._root / f".{pack.ref}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _rebuild(self, pack: Pack) -> None:
        digest = self._digest(pack)
        final = self._folder(pack)
        aside = self._root / f".{pack.ref}.new"
        old = self._root / f".{pack.ref}.old"
        shutil.rmtree(aside, ignore_errors=True)
        try:
            _create(aside, find_python(pack.python, pack.ref))
            _install(aside, [*self._base, *_wanted(pack)], pack.ref)
            (aside / _DIGEST).write_text(digest, "utf-8")
            shutil.rmtree(old, ignore_errors=True)
            with contextlib.suppress(FileNotFoundError):
                final.rename(old)
            aside.rename(final)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


def needs_virtualenv(pack: Pack) -> bool:
    """True when ``pack`` has requirements, or asks for a Python that the platform's own is not."""
    requirements = Path(pack.path) / REQUIREMENTS
    if requirements.is_file() and any(
        line.strip() and not line.strip().startswith("#")
        for line in requirements.read_text("utf-8", "replace").splitlines()
    ):
        return True
    return bool(pack.python) and not _fits(pack.python, _own_version())


def find_python(wanted: str, pack: str) -> str:
    """An interpreter whose version is in ``wanted`` (a PEP 440 range; "" = any): ours first, then those on PATH.

    Raises VirtualenvFailed, naming the versions that were found.
    """
    if not wanted or _fits(wanted, _own_version()):
        return sys.executable
    seen = {_own_version(): sys.executable}
    for minor in range(20, 7, -1):
        path = shutil.which(f"python3.{minor}")
        version = _version_of(path) if path else None
        if path and version and version not in seen:
            seen[version] = path
            if _fits(wanted, version):
                return path
    found = ", ".join(sorted(seen, key=Version))
    raise VirtualenvFailed(
        f"The pack '{pack}' needs Python {wanted}, but only {found} was found. Install one and put it on PATH."
    )


def _own_version() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _fits(wanted: str, version: str) -> bool:
    return SpecifierSet(wanted).contains(version, prereleases=True)


def _version_of(path: str) -> str | None:
    """The version an interpreter says it is; None when it does not run (pyenv's shims, for one)."""
    code = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
    try:
        done = subprocess.run(
            [path, "-I", "-c", code],
            capture_output=True,
            text=True,
            timeout=10,
            env=_environment(),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _uv() -> str | None:
    beside = Path(sys.executable).parent / "uv"
    return str(beside) if beside.is_file() else shutil.which("uv")


def _create(folder: Path, python: str) -> None:
    uv = _uv()
    if uv:
        # Relocatable, because it is built aside and renamed.
        _run([uv, "venv", "--quiet", "--relocatable", "--python", python, str(folder)])
    else:
        _run([python, "-m", "venv", str(folder)])


def _wanted(pack: Pack) -> list[str]:
    requirements = Path(pack.path) / REQUIREMENTS
    return ["-r", str(requirements)] if requirements.is_file() else []


def _install(folder: Path, wanted: list[str], pack: str) -> None:
    python = folder / "bin" / "python"
    uv = _uv()
    command = [uv, "pip", "install", "--quiet", "--python", str(python)] if uv else _pip(python)
    if not wanted:
        return
    try:
        _run([*command, *wanted])
    except VirtualenvFailed as error:
        raise VirtualenvFailed(
            f"The requirements of the pack '{pack}' cannot be installed. {error}"
        ) from error


def _pip(python: Path) -> list[str]:
    return [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_SECONDS, env=_environment(), check=False
        )
    except subprocess.TimeoutExpired as error:
        raise VirtualenvFailed(f"{Path(command[0]).name} did not end within {INSTALL_SECONDS} s.") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise VirtualenvFailed(f"{Path(command[0]).name} said: {said}")


def _environment() -> Mapping[str, str]:
    """A clean environment: nothing of the platform's secrets or PYTHON* settings reaches an installer."""
    return {
        name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)
    }
