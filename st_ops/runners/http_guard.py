"""Where an HTTP request may go: host lists, and redirects that lead to private addresses."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit


class Refused(Exception):
    """Raised when a request must not go where it is asked to; the text is a sentence for the action's author."""


def check_lists(url: str, blacklist: Collection[str], whitelist: Collection[str]) -> None:
    """Raise Refused when ``url`` is not http(s), or its host is on the blacklist or missing from the whitelist."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Refused(f"'{url}' is no URL of a web server: expected http:// or https:// and a host.")
    if blacklist and whitelist:
        raise Refused(
            "url_hosts_blacklist and url_hosts_whitelist exclude each other: give only one of them."
        )
    host = parts.hostname
    if host in {name.lower() for name in blacklist}:
        raise Refused(f"The host {host} is on url_hosts_blacklist.")
    if whitelist and host not in {name.lower() for name in whitelist}:
        raise Refused(f"The host {host} is not on url_hosts_whitelist.")


def check_redirect(origin: str, target: str, allow_private: bool) -> None:
    """Raise Refused when a server elsewhere redirects us to an address inside (a private, loopback or link-local one).

    A redirect within the same host is fine: who asked for that host may have it.
    """
    here, there = urlsplit(origin).hostname or "", urlsplit(target).hostname or ""
    if allow_private or here == there:
        return
    private = sorted(address for address in _addresses(there) if not _public(address))
    if private:
        raise Refused(
            f"{here} redirects to {there} ({private[0]}), which is not a public address. "
            "Set allow_private_redirects to true if that is meant."
        )


def _addresses(host: str) -> set[str]:
    try:
        return {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return set()  # the request itself will say that there is no such host


def _public(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_global
