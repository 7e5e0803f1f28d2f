"""Small helpers."""

import re

__all__ = [
    "compare_path_file_name",
    "lowercase_value",
    "prefix_dict_keys",
    "rstrip_last_char",
    "sanitize_output",
    "strip_shell_chars",
]


def prefix_dict_keys(dictionary, prefix="_"):
    """``dictionary`` with ``prefix`` before every key."""
    return {f"{prefix}{key}": value for key, value in dictionary.items()}


def rstrip_last_char(input_str, char_to_strip):
    """``input_str`` without one ``char_to_strip`` at its end."""
    if input_str and char_to_strip and input_str.endswith(char_to_strip):
        return input_str[: -len(char_to_strip)]
    return input_str


def strip_shell_chars(input_str):
    """``input_str`` without the line end of a shell."""
    return rstrip_last_char(rstrip_last_char(input_str, "\n"), "\r")


def sanitize_output(input_str, uses_pty=False):
    """Output of a shell without its last line end."""
    output = strip_shell_chars(input_str)
    return output.replace("\r\n", "\n") if uses_pty else output


def lowercase_value(value):
    """``value`` in small letters, in lists and mappings too."""
    if isinstance(value, str):
        return value.lower()
    if isinstance(value, (list, tuple)):
        return type(value)(lowercase_value(item) for item in value)
    if isinstance(value, dict):
        return {lowercase_value(key): lowercase_value(item) for key, item in value.items()}
    return value


def compare_path_file_name(file_path_a, file_path_b):
    """-1, 0 or 1: how the file names of two paths compare."""
    left, right = (re.split(r"[\\/]", path)[-1] for path in (file_path_a, file_path_b))
    return (left > right) - (left < right)
