"""Pytest fixture of the mock web, loaded by `pytest_plugins = ["crawler.mock.pytest_plugin"]`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crawler.mock.scenario import MockWeb
from crawler.mock.server.running import Served, running


@pytest.fixture(scope="session")
def mock_web() -> Iterator[Served]:
    """Serve a mock web with the default options for the whole session, on a free loopback port.

    All tests share its counters: compare two snapshots. For other options, or separate counters,
    use `crawler.mock.running(MockWeb(...))`.
    """
    with running(MockWeb()) as web:
        yield web
