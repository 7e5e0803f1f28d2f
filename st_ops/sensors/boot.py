"""The script a sensor's interpreter starts with: ``python -I -u boot.py CHANNEL_FD CONTAINER_PID``.

The interpreter may be that of a pack's virtualenv, which has nothing of ours installed: the SDK and the compat
modules are made known by their folders, and no other package that happens to lie beside them. Standard library
only, Python 3.8 and later.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import sys
from pathlib import Path
from types import ModuleType

_ROOT = Path(__file__).resolve().parent.parent
_PR_SET_PDEATHSIG = 1


def die_with(container: int) -> None:
    """Have the kernel kill this process when its container is gone, however that ends; at once when it is already."""
    # Without ctypes or prctl the SDK notices the closed channel and ends the sensor itself.
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != container:
        sys.exit(1)


def make_known(name: str, folder: Path) -> ModuleType:
    """Import the package ``name`` from ``folder``, wherever that lies."""
    init = folder / "__init__.py"
    spec = importlib.util.spec_from_file_location(name, init, submodule_search_locations=[str(folder)])
    assert spec is not None  # the file exists: this one lies beside it
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def main(channel: int, container: int) -> int:
    """Run the sensor whose job arrives on ``channel``; its exit code."""
    die_with(container)
    # What the sensor starts must not hold the channel open after the sensor's end.
    os.set_inheritable(channel, False)
    platform = make_known("st_ops", _ROOT)
    for part in ("sdk", "compat"):
        setattr(platform, part, make_known(f"st_ops.{part}", _ROOT / part))
    # From here on the platform's other packages cannot be found.
    platform.__path__ = []
    # Last: a pack that requires the real st2client gets the real one.
    sys.path.append(str(_ROOT / "compat"))
    from st_ops.sdk.run_sensor import main as run

    return run([str(channel)])


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
