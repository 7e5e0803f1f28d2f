"""Running commands."""

from st2common.util.shell import run_command

__all__ = ["run_command"]
