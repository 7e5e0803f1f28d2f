"""What the tests of the aws pack share: its config for a moto server, clients beside it, and running an action."""

from __future__ import annotations

from typing import Any

import boto3

from st_ops.sdk.testing import FakePlatform, Result, context, run_action
from tests.packs.pack_files import pack_file

REGION = "eu-central-1"


class Aws:
    """One moto server as the pack sees it (``run``) and as we look at it beside the pack (``client``)."""

    def __init__(self, url: str) -> None:
        self.config: dict[str, Any] = {
            "region": REGION,
            "access_key_id": "testing",
            "secret_access_key": "testing",
            "endpoint_url": url,
            "poll_seconds": 0.02,
        }
        self.platform = FakePlatform()

    def client(self, service: str) -> Any:
        return boto3.session.Session().client(  # type: ignore[call-overload]  # the service is a variable
            service,
            region_name=REGION,
            endpoint_url=self.config["endpoint_url"],
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def context(self, execution: dict[str, Any] | None = None) -> Any:
        return context(self.platform, pack="aws", name="aws.test", config=self.config, execution=execution)

    def run(self, name: str, /, execution: dict[str, Any] | None = None, **parameters: Any) -> Result:
        """Run the action ``name`` (its file is the part before the first ``_``)."""
        module = pack_file("aws", f"actions/{name.partition('_')[0]}.py")
        return run_action(getattr(module, name), self.context(execution), **parameters)
