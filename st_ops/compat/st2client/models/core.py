"""Resources and their managers."""

import urllib.parse

from st2client.utils.httpclient import HTTPError

__all__ = [
    "ExecutionManager",
    "InquiryManager",
    "KeyManager",
    "Resource",
    "ResourceManager",
    "WebhookManager",
]


class Resource:
    """One object of the API; its keys are attributes."""

    _path = ""
    _pack_resource = False

    def __init__(self, **values):
        for name, value in values.items():
            setattr(self, name, value)

    @classmethod
    def deserialize(cls, doc):
        """The resource of a JSON object."""
        return cls(**doc)

    def serialize(self):
        """The resource as a JSON object."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    to_dict = serialize

    def __str__(self):
        return str(self.serialize())

    __repr__ = __str__


class ResourceManager:
    """What can be done with one kind of resource."""

    def __init__(self, resource, http):
        self.resource = resource
        self.http = http
        self.endpoint = http.root

    def _one(self, doc):
        return self.resource.deserialize(doc)

    def _url(self, key=None):
        path = f"/{self.resource._path}"
        return path if key is None else f"{path}/{urllib.parse.quote(str(key), safe='')}"

    def get_all(self, params=None, **query):
        """All of them, as the query says."""
        query.pop("headers", None)
        return [
            self._one(doc) for doc in self.http.json("GET", self._url(), {**(params or {}), **query}) or []
        ]

    def query(self, **query):
        """Those the query picks."""
        return self.get_all(**query)

    def get_by_id(self, id, params=None, **query):  # noqa: A002  # StackStorm's name
        """One, or None."""
        query.pop("headers", None)
        try:
            doc = self.http.json("GET", self._url(id), {**(params or {}), **query})
        except HTTPError as error:
            if error.status_code == 404:
                return None
            raise
        return self._one(doc)

    def get_by_ref_or_id(self, ref_or_id, **query):
        """One, or None."""
        return self.get_by_id(ref_or_id, **query)

    def get_by_name(self, name, **query):
        """One by its name, or None."""
        found = self.get_all(name=name, **query)
        return found[0] if found else None

    def create(self, instance, **query):
        """Make it."""
        query.pop("headers", None)
        return self._one(self.http.json("POST", self._url(), query, instance.serialize()))

    def update(self, instance, **query):
        """Change it."""
        query.pop("headers", None)
        return self._one(self.http.json("PUT", self._url(self._key(instance)), query, instance.serialize()))

    def delete(self, instance, params=None, **query):
        """Remove it."""
        self.http.json("DELETE", self._url(self._key(instance)), {**(params or {}), **query})

    def delete_by_id(self, instance_id, **query):
        """Remove it."""
        self.http.json("DELETE", self._url(instance_id), query)

    @staticmethod
    def _key(instance):
        return getattr(instance, "ref", None) or getattr(instance, "id", None) or instance.name

    def match(self, instance, **_more):
        """For aliases: (alias, format display, representation) of the one that fits the command."""
        doc = self.http.json("POST", self._url("match"), body=instance.serialize())
        return self._one(doc["actionalias"]), doc["display"], doc["representation"]

    def match_and_execute(self, instance, **_more):
        """For aliases: match the command and run its action."""
        doc = self.http.json("POST", "/aliasexecution/match_and_execute", body=instance.serialize())
        return [Resource(**result) for result in doc["results"]]


class KeyManager(ResourceManager):
    """Keys are addressed by name."""

    def get_by_name(self, name, **query):
        """One by its name, or None."""
        return self.get_by_id(name, **query)

    @staticmethod
    def _key(instance):
        return instance.name


class ExecutionManager(ResourceManager):
    """What else can be done with executions."""

    def re_run(self, execution_id, parameters=None, tasks=None, no_reset=None, delay=0, **_more):
        """Run it again."""
        body = {"parameters": parameters or {}, "tasks": tasks or [], "reset": tasks or [], "delay": delay}
        return self._one(self.http.json("POST", self._url(execution_id) + "/re_run", body=body))

    def get_output(self, execution_id, output_type=None, **_more):
        """What it printed, as text."""
        query = {"output_type": output_type}
        return self.http.json("GET", self._url(execution_id) + "/output", query)

    def get_children(self, execution_id, **query):
        """Its children."""
        return [self._one(doc) for doc in self.http.json("GET", self._url(execution_id) + "/children", query)]

    def pause(self, execution_id):
        """Pause it."""
        return self._put_status(execution_id, "pausing")

    def resume(self, execution_id):
        """Resume it."""
        return self._put_status(execution_id, "resuming")

    def _put_status(self, execution_id, status):
        return self._one(self.http.json("PUT", self._url(execution_id), body={"status": status}))


class InquiryManager(ResourceManager):
    """Questions to people."""

    def respond(self, inquiry_id, inquiry_response, **_more):
        """Answer one."""
        body = {"id": inquiry_id, "response": inquiry_response}
        return self._one(self.http.json("PUT", self._url(inquiry_id), body=body))


class WebhookManager:
    """Emits events."""

    def __init__(self, http):
        self.http = http

    def post_generic_webhook(self, trigger, payload=None, trace_tag=None, **_more):
        """Emit the event ``trigger``."""
        body = {"trigger": trigger, "payload": payload or {}}
        if trace_tag:
            body["trace_tag"] = trace_tag
        return self.http.json("POST", "/webhooks/st2", body=body)
