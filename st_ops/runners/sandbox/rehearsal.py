"""The motions of running an action, gone through with one of our own that does nothing.

A forked child pays for every page of memory it is the first to write to. A spare child (``spare.py``) has the time:
what it touches here, its job finds touched. It leaves nothing behind that an action could see.
Standard library only, Python 3.8 and later.
"""

from __future__ import annotations

import gc
import importlib.util
import logging
import os
import socket
import threading
from typing import Any

from st_ops.runners.sandbox import child, kernel
from st_ops.sdk import run_action
from st_ops.sdk.modules import ACTION_METHODS, find_entry
from st_ops.sdk.wire import Channel

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


#: The environment variables that a job brings are about so many.
_VARIABLES = {f"ST_OPS_REHEARSAL_{number}": "x" * 20 for number in range(8)}


def go_through_the_motions() -> None:
    """Hear of a job, make a module, find its class, run it, tell its result, and look at what is left."""
    gc.enable()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker = Channel(ours.fileno())
        worker.send({"kind": "python", "job": _JOB, "env": _VARIABLES, "limits": {}, "result_bytes": 0})
        spec = child.read_frame(theirs.fileno())
        assert spec is not None  # it was sent
        child.set_environment(spec["env"])
        channel = Channel(theirs.fileno(), limit=1 << 20)
        more_memory = run_action.memory_reserve()
        outcome = run_action.rehearse(_action(), spec["job"])
        channel.send({"type": "result", **outcome})
        del more_memory
    kernel.has_children()
    threading.active_count()
    for name in _VARIABLES:
        del os.environ[name]
    logging.Logger.manager.loggerDict.pop("actions.python.Rehearsal", None)


def _action() -> Any:
    spec = importlib.util.spec_from_file_location("rehearsal", __file__)
    assert spec is not None  # the file is this one
    module = importlib.util.module_from_spec(spec)
    exec(_CODE, module.__dict__)  # noqa: S102 - our own code, above
    return find_entry(module, "", ACTION_METHODS, "action")
