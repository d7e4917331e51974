"""The closed loop beside wrk and hey on the same server: all count what the server counts.

How far their latencies agree is for `make bench` to say, as a busy machine has a part in them; what
no machine can change is that no answer comes before the server's own delay is over.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from urllib.request import urlopen

import pytest

from tests.bench import clients
from tests.patience import PATIENCE

from .loading import Mock, load, mock

pytestmark = pytest.mark.slow

DELAY = 0.02  # seconds
CONNECTIONS, REQUESTS = 24, 480


@pytest.fixture(scope="module")
def web() -> Iterator[Mock]:
    """A server of a known delay."""
    with mock("--latency", str(DELAY)) as running:
        yield running


def answered(web: Mock) -> int:
    """How many requests the server has answered."""
    with urlopen(f"{web.address}/__statistics", timeout=PATIENCE) as answer:
        return int(json.load(answer)["requests"])


def is_no_faster_than_the_server(figures: Mapping[str, float]) -> None:
    """Tell that each quantile is at least the delay, which wrk and hey round to 0.1 ms."""
    assert figures.keys() >= clients.SHARES.keys()
    for name in clients.SHARES:
        assert figures[name] >= DELAY - 0.0005, name


def test_every_answer_is_counted_once(web: Mock) -> None:
    """As many as were asked for, and as the server says."""
    before = answered(web)
    words = ("--connections", str(CONNECTIONS), "--requests", str(REQUESTS), "--json")
    code, out, err = load(web.page, *words)
    assert (code in {0, 5}, err) == (True, "")  # 5: the machine is busy
    count, _, figures = clients.ours(out)
    assert count == REQUESTS == answered(web) - before
    is_no_faster_than_the_server(figures)


@pytest.mark.parametrize(
    ("words", "read", "ends"),
    [
        # wrk drops what is under way at its end.
        (("wrk", "-t1", f"-c{CONNECTIONS}", "-d1s", "--latency"), clients.wrk, CONNECTIONS),
        (("hey", "-cpus", "1", "-c", f"{CONNECTIONS}", "-n", f"{REQUESTS}"), clients.hey, 0),
    ],
    ids=["wrk", "hey"],
)
def test_another_client_is_counted_by_the_same_rule(
    words: tuple[str, ...], read: Callable[[str], clients.Figures], ends: int, web: Mock
) -> None:
    """The server's own count and the delay hold for them as for ours."""
    if not shutil.which(words[0]):
        pytest.skip(f"{words[0]} is not installed")
    before = answered(web)
    done = subprocess.run(
        [*words, web.page], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    count, _, figures = read(done.stdout)
    assert 0 <= answered(web) - before - count <= ends
    is_no_faster_than_the_server(figures)
