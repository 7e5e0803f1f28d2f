"""A datastore in memory."""

from st_ops.sdk.stackstorm import SYSTEM_SCOPE, DatastoreService, KeyValuePair
from st_ops.sdk.testing import FakePlatform

__all__ = ["MockDatastoreService"]


class MockDatastoreService(DatastoreService):
    """Keeps values as they are given, without making text of them."""

    def __init__(self, logger, pack_name, class_name, api_username=None):
        super().__init__(FakePlatform(), pack_name, class_name, logger)
        self._username = api_username or "admin"
        self._datastore_items = {}

    def get_user_info(self):
        """An administrator."""
        return {
            "username": self._username,
            "rbac": {"is_admin": True, "enabled": True, "roles": ["admin"]},
            "authentication": {"method": "authentication token", "location": "header"},
        }

    def list_values(self, local=True, prefix=None, limit=None, offset=0):
        """The values whose names begin so."""
        start = (self._prefix if local else "") + (prefix or "")
        return [item for name, item in self._datastore_items.items() if name.startswith(start)]

    def get_value(self, name, local=True, scope=SYSTEM_SCOPE, decrypt=False):
        """One value, or None."""
        item = self._datastore_items.get(self._name(name, local, scope))
        return None if item is None else item.value

    def set_value(self, name, value, ttl=None, local=True, scope=SYSTEM_SCOPE, encrypt=False):
        """Keep a value."""
        full = self._name(name, local, scope)
        self._datastore_items[full] = KeyValuePair(full, value, ttl=ttl)
        return True

    def delete_value(self, name, local=True, scope=SYSTEM_SCOPE):
        """Forget a value."""
        return self._datastore_items.pop(self._name(name, local, scope), None) is not None
