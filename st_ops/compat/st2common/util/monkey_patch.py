"""Nothing here is patched: pack code runs in ordinary processes with ordinary threads."""

__all__ = ["is_use_debugger_flag_provided", "monkey_patch", "use_select_poll_workaround"]


def monkey_patch(*_arguments, **_named):
    """Do nothing."""


def use_select_poll_workaround(*_arguments, **_named):
    """Do nothing."""


def is_use_debugger_flag_provided():
    """Never."""
    return False
