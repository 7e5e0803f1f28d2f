"""``python -m tests.demo.picture``: run the demo and draw what it shows into docs/demo.svg, for the README."""

from __future__ import annotations

import io
import re
import tempfile
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.padding import Padding

from st_ops.cli.tree import Watcher, Workflow, draw
from st_ops.demo.__main__ import _forget_aws
from st_ops.demo.platform import wait_for
from st_ops.demo.story import Story

PICTURE = Path(__file__).parents[2] / "docs" / "demo.svg"
WIDTH = 108


class PicturedStory(Story):
    """The demo without the lines that come while a workflow runs: only the tree of the finished one."""

    def _workflow(self, event: str) -> None:
        watcher = Watcher(self.platform, str(self.platform.await_execution(event)["id"]))

        def ended() -> Workflow | None:
            state = watcher.look()
            return state if state.over else None

        state = wait_for(ended, 90, "The workflow did not end.")
        self._console.print(Padding(draw(state, self._console.width - 2), (1, 0, 0, 2)))


def picture() -> str:
    """The demo's output as SVG."""
    console = Console(record=True, file=io.StringIO(), width=WIDTH, highlight=False)
    with tempfile.TemporaryDirectory(prefix="st-ops-demo-") as folder, ExitStack() as stack:
        _forget_aws()
        PicturedStory(console, Path(folder), stack).tell()
    svg = console.export_svg(title="make demo", unique_id="demo")
    # Fonts are the reader's own: a picture must not load anything from elsewhere.
    return re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)


if __name__ == "__main__":
    PICTURE.write_text(picture())
