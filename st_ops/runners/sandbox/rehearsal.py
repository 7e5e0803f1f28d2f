"""The motions of running an action, gone through with one of our own that does nothing.

A forked child pays for every page of memory it is the first to write to. A spare child (``spare.py``) has the time:
what it touches here, its job finds touched. It leaves nothing behind that an action could see.
Standard library only, Python 3.8 and later.
"""

from __future__ import annotations

import gc
import importlib.util
import inspect
import logging
from json import dumps, loads

from st_ops.sdk import run_action

_SOURCE = """
import os, sys, time


class Rehearsal:
    def __init__(self, config=None, action_service=None):
        self.config, self.action_service = config, action_service

    def run(self, **given):
        return {"given": given}
"""

_JOB = {
    "file": "", "entry": "", "parameters": {"text": "x", "list": ["x", None, 1.5]}, "config": {"key": "value"},
    "pack": "rehearsal", "pack_path": "", "action": "rehearsal.rehearsal", "user": "", "log_level": "DEBUG",
    "execution": {"id": "0", "context": {}},
}  # fmt: skip

#: Compiled once, for all children.
_CODE = compile(_SOURCE, "<rehearsal>", "exec", dont_inherit=True)


def go_through_the_motions() -> None:
    """Make a module, find its class, run it, and put its result into JSON."""
    gc.enable()
    spec = importlib.util.spec_from_file_location("rehearsal", __file__)
    assert spec is not None  # the file is this one
    module = importlib.util.module_from_spec(spec)
    exec(_CODE, module.__dict__)  # noqa: S102 - our own code, above
    (action,) = (value for value in vars(module).values() if inspect.isclass(value))
    outcome = run_action.rehearse(action, loads(dumps(_JOB)))
    dumps({"type": "result", **outcome}).encode("utf-8")
    logging.Logger.manager.loggerDict.pop("actions.python.Rehearsal", None)
