"""The client: one manager per kind of resource."""

import os

from st2client import models
from st2client.models.core import (
    ExecutionManager,
    InquiryManager,
    KeyManager,
    ResourceManager,
    WebhookManager,
)
from st2client.utils.httpclient import HTTPClient

__all__ = ["Client"]


class Client:
    """Speaks to the API at ``api_url``; without arguments, as this run's environment says."""

    def __init__(self, base_url=None, auth_url=None, api_url=None, stream_url=None, api_version=None, cacert=None,
                 debug=False, token=None, api_key=None, basic_auth=None):  # fmt: skip
        url = api_url or os.environ.get("ST2_API_URL") or os.environ.get("ST2_ACTION_API_URL")
        if not url:
            url = f"{(base_url or 'http://127.0.0.1').rstrip('/')}:9101"
        url = url.rstrip("/")
        self.endpoints = {"base": base_url, "api": url if url.endswith("/v1") else f"{url}/v1"}
        self.token = token or os.environ.get("ST2_AUTH_TOKEN") or os.environ.get("ST2_ACTION_AUTH_TOKEN")
        self.api_key = api_key or os.environ.get("ST2_API_KEY")
        http = HTTPClient(self.endpoints["api"], self.token, self.api_key, cacert)
        self.managers = {cls.__name__: _manager(cls, http) for cls in models.RESOURCES}
        self.managers["LiveAction"] = self.managers["Execution"]
        self._http = http

    def get_user_info(self):
        """Who we are."""
        return self._http.json("GET", "/user")

    @property
    def actions(self):
        """Actions."""
        return self.managers["Action"]

    @property
    def executions(self):
        """Executions."""
        return self.managers["Execution"]

    liveactions = executions

    @property
    def keys(self):
        """Key-value pairs."""
        return self.managers["KeyValuePair"]

    @property
    def packs(self):
        """Packs."""
        return self.managers["Pack"]

    @property
    def rules(self):
        """Rules."""
        return self.managers["Rule"]

    @property
    def sensors(self):
        """Sensor types."""
        return self.managers["Sensor"]

    @property
    def triggers(self):
        """Trigger types."""
        return self.managers["TriggerType"]

    triggertypes = triggers

    @property
    def trigger_instances(self):
        """Trigger instances."""
        return self.managers["TriggerInstance"]

    triggerinstances = trigger_instances

    @property
    def webhooks(self):
        """Events by webhook."""
        return WebhookManager(self._http)

    @property
    def inquiries(self):
        """Inquiries."""
        return self.managers["Inquiry"]

    @property
    def action_aliases(self):
        """Aliases."""
        return self.managers["ActionAlias"]


def _manager(cls, http):
    kinds = {"KeyValuePair": KeyManager, "Execution": ExecutionManager, "Inquiry": InquiryManager}
    return kinds.get(cls.__name__, ResourceManager)(cls, http)
