"""Templates, where jinja2 is there (StackStorm brings it along; a pack's virtualenv must require it)."""

import json

__all__ = ["get_jinja_environment", "is_jinja_expression", "render_values"]


def is_jinja_expression(value):
    """True for a text with a template in it."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def get_jinja_environment(allow_undefined=False, trim_blocks=True, lstrip_blocks=True):
    """An environment for templates, sandboxed."""
    import jinja2.sandbox

    undefined = jinja2.Undefined if allow_undefined else jinja2.StrictUndefined
    return jinja2.sandbox.SandboxedEnvironment(
        undefined=undefined, trim_blocks=trim_blocks, lstrip_blocks=lstrip_blocks
    )


def render_values(mapping=None, context=None, allow_undefined=False):
    """``mapping`` with its templates rendered; lists and mappings keep their type."""
    environment = get_jinja_environment(allow_undefined)
    names = dict(context or {})

    def rendered(value):
        if isinstance(value, (dict, list)):
            return json.loads(environment.from_string(json.dumps(value)).render(names))
        return environment.from_string(value).render(names) if is_jinja_expression(value) else value

    return {key: rendered(value) for key, value in (mapping or {}).items()}
