"""What every crawl of these tests has in common."""

from __future__ import annotations

from math import inf

import pytest

from crawler.core import capacity


@pytest.fixture(autouse=True)
def never_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still excuses no failure: requests would be counted twice."""
    monkeypatch.setattr(capacity, "STILL", inf)
