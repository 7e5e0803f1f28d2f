"""The script a sandbox's interpreter starts with: ``python -I boot.py CONTROL_FD WORK_ROOT IDLE_SECONDS``.

The interpreter may be that of a pack's virtualenv, which has nothing of ours installed. So that it finds the SDK and
the compat modules, and no other package that happens to lie beside ours, the package ``st_ops`` is made known by its
folder instead of by a place on ``sys.path``. Standard library only, Python 3.8 and later, like all of this folder
but ``handle.py`` and ``pool.py``.
"""

from __future__ import annotations

import importlib.util
import os
import sys

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _make_known() -> None:
    """Make ``import st_ops.…`` work, and the modules of ``st_ops/compat`` by StackStorm's own names."""
    init = os.path.join(_ROOT, "__init__.py")
    spec = importlib.util.spec_from_file_location("st_ops", init, submodule_search_locations=[_ROOT])
    assert spec is not None  # the file exists: this one lies below it
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["st_ops"] = module
    spec.loader.exec_module(module)
    # Last: a pack that requires the real st2client gets the real one.
    sys.path.append(os.path.join(_ROOT, "compat"))


if __name__ == "__main__":
    _make_known()
    from st_ops.runners.sandbox.parent import main

    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
