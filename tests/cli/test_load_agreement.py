"""The closed loop's latencies beside those that wrk and hey measure on the same server.

Its answers take lognormal times of 20 ms in the median, so that no client is at its limit. Of some
2,200 answers each, chance alone moves the ratio of two medians by 1.2 % (one deviation), that of
the p90 by 1.7 % and that of the p99 by 3.6 %; a busy machine adds a millisecond or so.
"""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from statistics import NormalDist

import pytest

from tests.bench import clients
from tests.patience import PATIENCE

from .loading import Mock, believed, mock

MEDIAN, SIGMA = 0.02, 0.3
CONNECTIONS, SECONDS = "24", "2"
NOISE: Mapping[str, float] = {"p50": 0.12, "p90": 0.12, "p99": 0.25}
"""How far a ratio may be from 1: four deviations of chance, and a millisecond or two."""


@pytest.fixture(scope="module")
def web() -> Iterator[Mock]:
    """A server of known latencies."""
    with mock("--latency", f"lognormal:{MEDIAN},{SIGMA}") as running:
        yield running


@pytest.fixture(scope="module")
def ours(web: Mock) -> Mapping[str, float]:
    """What we measure."""
    words = ("--connections", CONNECTIONS, "--duration", SECONDS, "--json")
    code, out, err = believed(web.page, *words)
    assert (code, err) == (0, "")
    count, _, figures = clients.ours(out)
    assert count > 1_000
    return figures


def test_the_latencies_are_those_of_the_distribution(ours: Mapping[str, float]) -> None:
    """The quantiles are the lognormal's own, within the noise."""
    for name, share in clients.SHARES.items():
        expected = MEDIAN * math.exp(SIGMA * NormalDist().inv_cdf(share))
        assert ours[name] == pytest.approx(expected, rel=NOISE[name]), name


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency"), clients.wrk),
        (("hey", "-cpus", "1", "-c", CONNECTIONS, "-z", f"{SECONDS}s"), clients.hey),
    ],
    ids=["wrk", "hey"],
)
def test_another_client_measures_the_same(
    words: tuple[str, ...],
    read: Callable[[str], clients.Figures],
    web: Mock,
    ours: Mapping[str, float],
) -> None:
    """Median, p90 and p99 of the same server agree within the noise."""
    if not shutil.which(words[0]):
        pytest.skip(f"{words[0]} is not installed")
    done = subprocess.run(
        [*words, web.page], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    count, _, theirs = read(done.stdout)
    assert count > 1_000
    for name in clients.SHARES:
        assert ours[name] / theirs[name] == pytest.approx(1, abs=NOISE[name]), name
