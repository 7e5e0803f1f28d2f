"""Suffixes of metadata files."""

YAML_META_FILE_EXTENSIONS = (".yaml", ".yml")
