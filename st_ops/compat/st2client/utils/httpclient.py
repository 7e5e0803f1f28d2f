"""HTTP by the standard library."""

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request

__all__ = ["HTTPClient", "HTTPError"]

#: Seconds to wait for an answer.
TIMEOUT = 60


class HTTPError(Exception):
    """The API refused; ``status_code`` and the API's sentence say why."""

    def __init__(self, status_code, message):
        super().__init__(f"{status_code} {message}")
        self.status_code = status_code


class HTTPClient:
    """Requests below ``root``."""

    def __init__(self, root, token=None, api_key=None, cacert=None):
        self.root = root
        self._headers = {"content-type": "application/json"}
        if api_key:
            self._headers["St2-Api-Key"] = api_key
        elif token:
            self._headers["X-Auth-Token"] = token
        self._context = ssl.create_default_context(cafile=cacert) if cacert else None

    def json(self, method, path, query=None, body=None):
        """The answer as JSON; None for an empty one. Raises HTTPError."""
        plain = {k: v for k, v in (query or {}).items() if v is not None}
        url = self.root + path + ("?" + urllib.parse.urlencode(plain) if plain else "")
        data = None if body is None else json.dumps(body).encode("utf-8")
        request = urllib.request.Request(  # noqa: S310  # the URL is the API's
            url, data=data, method=method, headers=self._headers
        )
        try:
            with urllib.request.urlopen(  # noqa: S310  # likewise
                request, timeout=TIMEOUT, context=self._context
            ) as answer:
                said = answer.read()
        except urllib.error.HTTPError as error:
            raise HTTPError(error.code, _sentence(error)) from error
        return json.loads(said.decode("utf-8")) if said else None


def _sentence(error):
    try:
        return json.loads(error.read().decode("utf-8")).get("faultstring", error.reason)
    except (ValueError, AttributeError):
        return error.reason
