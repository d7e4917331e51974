"""A crawl on a loopback cluster that loses a few processes; `make crash` kills many."""

from __future__ import annotations

import random

import pytest

from tests.crash.cluster import kill_clusters


@pytest.mark.slow
def test_a_cluster_that_loses_processes_loses_no_url(capsys: pytest.CaptureFixture[str]) -> None:
    """Each URL has one record, no host is visited by two at once, and no process is left."""
    assert kill_clusters(3, random.Random(5), gap=None) == ""  # a busy machine has any gap
    assert "nothing lost, nothing repeated" in capsys.readouterr().out
