"""The script a pack's interpreter starts with: ``python -I boot.py MODULE ARGUMENT…`` runs ``MODULE.main(arguments)``.

A pack's virtualenv has nothing of ours installed. ``st_ops`` is made known by its folder, not by a place on
``sys.path``, so that nothing else that lies beside it is found; StackStorm's module names (``st_ops/compat``) come
last, so that a pack that requires the real st2client gets the real one. Standard library only, Python 3.8 and later.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_PR_SET_PDEATHSIG = 1


def make_known() -> None:
    """Make ``import st_ops.sdk`` and StackStorm's module names work in this process."""
    compat = str(ROOT / "compat")
    if compat not in sys.path:
        sys.path.append(compat)
    if "st_ops" in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(
        "st_ops", str(ROOT / "__init__.py"), submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None  # the file exists: this one lies below it
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["st_ops"] = module
    spec.loader.exec_module(module)


def leave_the_platform() -> None:
    """From here on the SDK is found (and StackStorm's names), and no other package of the platform."""
    importlib.import_module("st_ops.sdk")
    sys.modules["st_ops"].__path__ = []


def die_with(parent: int) -> None:
    """Have the kernel kill this process when ``parent`` is gone, however that ends; at once when it is already."""
    # Without ctypes or prctl it is for the process to notice that nobody speaks with it any more.
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    make_known()
    sys.exit(importlib.import_module(sys.argv[1]).main(sys.argv[2:]))
