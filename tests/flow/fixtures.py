"""What tests of the whole platform ask for. Shared by tests/flow and tests/faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.flow.cloud import DOMAIN, PORT, Cloud
from tests.flow.platform import Platform
from tests.servers.moto import Moto
from tests.servers.process import Yard
from tests.servers.sshd import Sshd

#: Makes a platform, not yet started; closed after the test.
MakePlatform = Callable[..., Platform]

_PLATFORMS: pytest.StashKey[list[Platform]] = pytest.StashKey()


@pytest.fixture
def make_platform(yard: Yard, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MakePlatform]:
    """A factory of platforms, each in a home of its own."""
    made: list[Platform] = []
    request.node.stash[_PLATFORMS] = made

    def make(**more: Any) -> Platform:
        made.append(Platform(yard.guard, tmp_path / f"home{len(made)}", **more))
        return made[-1]

    yield make
    for platform in made:
        platform.close()


@pytest.fixture
def cloud(moto: Moto) -> Cloud:
    """An AWS account as it is before the first alert."""
    return Cloud(moto)


@pytest.fixture
def main_job_configs(cloud: Cloud, sshd: Sshd) -> dict[str, dict[str, Any]]:
    """The configs of the packs of the main job: this AWS, this machine."""
    web_service = {
        "image_id": cloud.image_id,
        "subnet_id": cloud.subnet_id,
        "hosted_zone_id": cloud.zone_id,
        "domain": DOMAIN,
        "target_group": cloud.target_group,
        "service_port": PORT,
        "wait_seconds": 60,
        "ssh_host": sshd.host,
        "ssh_port": sshd.port,
        "ssh_user": sshd.user,
        "ssh_private_key": str(sshd.key_path),
        "ssh_known_hosts": str(sshd.known_hosts_path),
    }
    return {"aws": cloud.config, "web_service": web_service}


def add_logs(item: pytest.Item, report: pytest.TestReport) -> None:
    """Show what the platforms of a failed test printed."""
    for platform in item.stash.get(_PLATFORMS, []) if report.failed else []:
        report.sections.append((f"log of {platform.home.name}", platform.log_tail()))


@pytest.fixture(params=["sqlite", "postgresql"])
def shared_store(request: pytest.FixtureRequest, redis_url: str) -> dict[str, dict[str, Any]]:
    """Settings of a store and a bus that several processes may use at once."""
    store = (
        {"store": {"url": request.getfixturevalue("postgres_url")}} if request.param == "postgresql" else {}
    )
    return {**store, "bus": {"url": redis_url, "sweep_seconds": 0.5}}
