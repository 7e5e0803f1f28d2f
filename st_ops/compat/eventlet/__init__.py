"""eventlet, which StackStorm brings along and sensors use without asking for it: the common calls, by threads.

The real one, when a pack requires it, is found first.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

__all__ = [
    "GreenPool",
    "GreenThread",
    "Timeout",
    "kill",
    "monkey_patch",
    "sleep",
    "spawn",
    "spawn_after",
    "spawn_n",
]


def monkey_patch(*_arguments, **_named):
    """Do nothing: threads need no patch."""


def sleep(seconds=0):
    """Sleep."""
    time.sleep(seconds)


class GreenThread(threading.Thread):
    """A thread whose result can be waited for."""

    def __init__(self, function, arguments, named, after=0.0):
        super().__init__(daemon=True)
        self._call = (function, arguments, named, after)
        self._outcome = None
        self._error = None

    def run(self):
        """Call the function."""
        function, arguments, named, after = self._call
        if after:
            time.sleep(after)
        try:
            self._outcome = function(*arguments, **named)
        except Exception as error:  # noqa: BLE001  # handed to whoever waits
            self._error = error

    def wait(self):
        """The result, or the exception."""
        self.join()
        if self._error is not None:
            raise self._error
        return self._outcome

    def kill(self, *_arguments):
        """A thread cannot be killed; it ends with the process."""


def spawn(function, *arguments, **named):
    """Run ``function`` in a thread."""
    return spawn_after(0, function, *arguments, **named)


def spawn_after(seconds, function, *arguments, **named):
    """Run ``function`` in a thread, ``seconds`` from now."""
    thread = GreenThread(function, arguments, named, seconds)
    thread.start()
    return thread


spawn_n = spawn


def kill(thread, *_arguments):
    """See GreenThread.kill."""
    thread.kill()


class GreenPool:
    """Up to ``size`` calls at once."""

    def __init__(self, size=1000):
        self.size = size
        self._pool = ThreadPoolExecutor(max_workers=min(size, 64))
        self._threads = []

    def spawn(self, function, *arguments, **named):
        """Run ``function``; the future has ``wait``."""
        future = self._pool.submit(function, *arguments, **named)
        future.wait = future.result  # type: ignore[attr-defined]  # eventlet's name
        self._threads.append(future)
        return future

    spawn_n = spawn

    def waitall(self):
        """Wait for all."""
        for future in self._threads:
            future.exception()
        self._threads.clear()

    def imap(self, function, *iterables):
        """Results in order."""
        return self._pool.map(function, *iterables)


class Timeout(Exception):  # eventlet's name
    """A time limit; threads cannot be interrupted, so it never strikes."""

    def __init__(self, seconds=None, exception=None):
        super().__init__(seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        return None

    def cancel(self):
        """Nothing to take back."""
