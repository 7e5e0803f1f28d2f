"""Names of keys."""

from st2common.constants.keyvalue import FULL_SYSTEM_SCOPE, FULL_USER_SCOPE, SYSTEM_SCOPE, USER_SCOPE

__all__ = ["get_datastore_full_scope"]


def get_datastore_full_scope(scope):
    """``system`` as ``st2kv.system``."""
    return {SYSTEM_SCOPE: FULL_SYSTEM_SCOPE, USER_SCOPE: FULL_USER_SCOPE}.get(scope, scope)
