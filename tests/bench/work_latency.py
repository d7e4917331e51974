"""A second of latency at the server, 2,000 requests in flight: 2,000 pages/s would be perfect.

The server is the mock web in a process of its own, on the same two cores; it answers every request
after exactly one second. 20,000 URLs are ten such waves, so starting up and running dry cost what
they would cost a real crawl.
"""

from __future__ import annotations

from tests.bench.contestants import UrlList, our_command, ours
from tests.bench.latency_server import serving
from tests.bench.measure import median_rate, play
from tests.bench.report import Result, Row, Target
from tests.bench.setting import Setting

_WIDTH = 2_000
_LATENCY = 1.0  # seconds
_WAVES = 10
_QUICK_WAVES = 3
_TARGET = Target(bound=0.9, unit="x")


def measure(setting: Setting) -> Result:
    """Ours against arithmetic."""
    count = _WIDTH * (_QUICK_WAVES if setting.quick else _WAVES)
    with serving(latency=_LATENCY, pages=count) as origin:
        urls = [f"{origin}/page/{number}" for number in range(count)]
        listed = UrlList.write(setting.directory / "latency.txt", urls)
        command = our_command(listed, width=_WIDTH)
        samples = play([ours("ours", listed, command)], setting.rounds, setting.say)
        rows = setting.explained([_row(median_rate(samples["ours"]))], command)
    return Result(key="latency", how=__doc__, rows=rows, samples=samples)


def _row(rate: float) -> Row:
    ideal = _WIDTH / _LATENCY
    return Row(
        work="1 s of latency, 2,000 in flight",
        ours=f"{rate:,.0f} pages/s",
        peer=f"{ideal:,.0f} pages/s (arithmetic)",
        value=rate / ideal,
        target=_TARGET,
    )
