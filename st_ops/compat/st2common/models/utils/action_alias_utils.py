"""Matching of commands against the formats of action aliases."""

from st_ops.sdk.aliases import Format

__all__ = ["ActionAliasFormatParser", "extract_parameters", "extract_parameters_for_action_alias_db"]


class ActionAliasFormatParser:
    """One format and one command."""

    def __init__(self, alias_format=None, param_stream=None):
        self._format = Format(alias_format or "")
        self._command = param_stream or ""

    def get_extracted_param_value(self):
        """The parameters. Raises ParseException."""
        return self._format.match(self._command)

    def get_multiple_extracted_param_value(self):
        """The parameters of every match."""
        return self._format.match_all(self._command)


def extract_parameters(format_str, param_stream, match_multiple=False):
    """The parameters that the command ``param_stream`` gives for ``format_str``. Raises ParseException."""
    parser = ActionAliasFormatParser(format_str, param_stream)
    return (
        parser.get_multiple_extracted_param_value() if match_multiple else parser.get_extracted_param_value()
    )


def extract_parameters_for_action_alias_db(action_alias_db, format_str, param_stream, match_multiple=False):
    """Likewise, for a format the alias must have."""
    if format_str not in action_alias_db.get_format_strings():
        raise ValueError(
            f'Format string "{format_str}" is not available on the alias "{action_alias_db.name}"'
        )
    return extract_parameters(format_str, param_stream, match_multiple)
