"""Templates, where jinja2 is there."""

from st2common.util.jinja import render_values

__all__ = ["render_template"]


def render_template(value, context=None):
    """The text ``value`` rendered with ``context``."""
    return render_values({"value": value}, context)["value"]
