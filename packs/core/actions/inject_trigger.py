from __future__ import annotations

from typing import Any

from st_ops.sdk import ActionFailed, Context, action


@action
def inject_trigger(
    ctx: Context,
    trigger: str | None = None,
    trigger_name: str | None = None,
    payload: dict[str, Any] | None = None,
    trace_tag: str | None = None,
) -> dict[str, Any]:
    """Emit an event and say what was emitted."""
    if bool(trigger) == bool(trigger_name):
        raise ActionFailed("Give trigger_name, the reference of the trigger (and not trigger as well).")
    ref = trigger_name or trigger or ""
    if "." not in ref:
        raise ActionFailed(f"'{ref}' is not a reference of the form pack.name.")
    identity = ctx.emit(ref, payload or {}, trace_tag=trace_tag or "")
    return {"trigger": ref, "payload": payload or {}, "trigger_instance_id": identity}
