"""``python -m st_ops.demo``: run the demo in a temporary folder; exit code 0 only when AWS held what it should."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import httpx
from rich.console import Console
from rich.text import Text

from st_ops.demo.children import StartFailed
from st_ops.demo.story import DemoFailed, Story

#: Columns when the output is no terminal.
_WIDTH = 130


def main() -> int:
    """Run it once; with ``KEEP=1`` in the environment leave it running until Ctrl-C."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    signal.signal(signal.SIGTERM, _interrupt)
    _forget_aws()
    keep = os.environ.get("KEEP", "") not in ("", "0")
    with tempfile.TemporaryDirectory(prefix="st-ops-demo-") as folder, ExitStack() as stack:
        story = None
        try:
            story = Story(console, Path(folder), stack)
            story.tell()
            if keep:
                story.keep()
                signal.pause()
        except (DemoFailed, StartFailed, TimeoutError, httpx.HTTPError) as error:
            console.print(Text.assemble(("The demo failed: ", "bold red"), str(error)))
            if story is not None and not isinstance(error, StartFailed):
                console.print(Text(story.explain(), style="dim"))
            return 1
        except KeyboardInterrupt:
            console.print("Stopped.")
            return 0 if keep else 130
    return 0


def _forget_aws() -> None:
    """Let nothing of the user's AWS settings reach the demo."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
