"""What every test starts from: no options in the environment, the same examples on each run."""

from __future__ import annotations

import gc
import os
import signal
import sys

import pytest
from hypothesis import settings

from tests.bucket import bucket  # noqa: F401  a fixture

# The machines that run the tests are shared and slow at times: no deadline for one example, and
# the same examples for the same code, so that a failure is the change's. `make fuzz` looks further.
settings.register_profile("crawler", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("crawler")

# `nohup` and some job runners ignore SIGHUP, all that is started inherits that, and the commands
# rightly leave it so: tests send it, and expect what happens in a terminal.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


# Rewriting the assertions is two thirds of the time it takes to collect the tests: the result is
# kept, whatever the environment says. What tests import from folders of their own is not.
NO_BYTECODE, sys.dont_write_bytecode = sys.dont_write_bytecode, False


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow the asyncio turn of a test that has one with uvloop: both run the same code."""
    ids = {item.nodeid for item in items}
    for item in items:
        turn = item.nodeid.replace("asyncio", "uvloop")
        if turn != item.nodeid and turn in ids:
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Take what has been imported and collected out of each later search for garbage."""
    sys.dont_write_bytecode = NO_BYTECODE
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No option of the crawler, and nothing that changes a terminal, in the environment."""
    for name in list(os.environ):
        if name.startswith("CRAWLER_") or name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
            monkeypatch.delenv(name)
