"""Concurrency by threads."""

import threading
import time

__all__ = ["get_concurrency_library", "monkey_patch", "sleep", "spawn", "wait"]


def get_concurrency_library():
    """The name of what is used."""
    return "threading"


def sleep(seconds=0, *_arguments, **_named):
    """Sleep."""
    time.sleep(seconds)


def spawn(function, *arguments, **named):
    """Run ``function`` in a thread of its own."""
    thread = threading.Thread(target=function, args=arguments, kwargs=named, daemon=True)
    thread.start()
    return thread


def wait(thread, *_arguments, **_named):
    """Wait for a thread made by ``spawn``."""
    return thread.join()


def monkey_patch(*_arguments, **_named):
    """Do nothing."""
