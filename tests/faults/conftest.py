"""The fixtures of whole platforms (tests/flow/fixtures.py), and their logs with every failure."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.flow.fixtures import add_logs, cloud, main_job_configs, make_platform, shared_store

__all__ = ["cloud", "main_job_configs", "make_platform", "shared_store"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the logs of the test's platforms."""
    report = yield
    add_logs(item, report)
    return report
