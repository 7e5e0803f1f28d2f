"""Where the API is."""

import os

__all__ = ["get_base_public_api_url", "get_full_public_api_url"]


def get_base_public_api_url():
    """The URL of the API without its version."""
    url = get_full_public_api_url()
    return url[: -len("/v1")] if url.endswith("/v1") else url


def get_full_public_api_url(api_version="v1"):
    """The URL of the API as this run was told it."""
    url = os.environ.get("ST2_ACTION_API_URL") or os.environ.get("ST2_API_URL") or "http://127.0.0.1:9101/v1"
    url = url.rstrip("/")
    return url if url.endswith(f"/{api_version}") else f"{url}/{api_version}"
