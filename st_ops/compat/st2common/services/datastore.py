"""The key-value store as actions and sensors reach it."""

from st_ops.sdk.stackstorm import DatastoreService

__all__ = ["ActionDatastoreService", "BaseDatastoreService", "DatastoreService", "SensorDatastoreService"]

BaseDatastoreService = ActionDatastoreService = SensorDatastoreService = DatastoreService
