"""Where packs lie."""

import os

__all__ = ["get_pack_base_path", "get_packs_base_paths", "get_system_packs_base_path"]


def get_packs_base_paths():
    """The folder that holds the pack whose code is running."""
    own = os.environ.get("ST_OPS_PACK_PATH", "")
    return [os.path.dirname(own)] if own else []  # noqa: PTH120  # StackStorm's are strings


def get_system_packs_base_path():
    """As get_packs_base_paths."""
    return (get_packs_base_paths() or [""])[0]


def get_pack_base_path(pack_name, include_trailing_slash=False, use_pack_cache=False):
    """The folder of ``pack_name``, beside that of the pack whose code is running; None when it is not there."""
    for base in get_packs_base_paths():
        path = os.path.join(base, pack_name)  # noqa: PTH118
        if os.path.isdir(path):  # noqa: PTH112
            return path + os.sep if include_trailing_slash else path
    return None
