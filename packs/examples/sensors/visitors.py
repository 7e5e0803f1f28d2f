from pathlib import Path

from st_ops.sdk import Context, poll

CARD = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
TRIGGERS = {"visitor": {"description": "Somebody left a card.", "payload_schema": CARD}}


# Switched off where it is shipped, since it removes files: st-ops sensor enable examples.visitors
@poll(every="2s", triggers=TRIGGERS, enabled=False)
def visitors(ctx: Context) -> None:
    """Looks for cards: files in ~/visitors that are named after the visitor."""
    for card in (Path.home() / "visitors").glob("*.card"):
        # emit returns once the event is safe on disk; after a crash before unlink, the delivery id drops the repeat.
        ctx.emit("visitor", {"name": card.stem}, delivery=f"{card.name}/{card.stat().st_mtime_ns}")
        card.unlink()
