from __future__ import annotations

from pathlib import Path

from st_ops.sdk import Context, poll


@poll(every="0.3s", triggers=["storm.struck"])
def strikes(ctx: Context) -> None:
    """Files that were put into a folder: each is an event, and is removed when the event is safe."""
    for file in sorted(Path(ctx.config["folder"]).glob("*.strike")):
        kind, trace = file.read_text().split()
        ctx.emit("struck", {"trace": trace, "kind": kind}, delivery=file.name)
        file.unlink()
