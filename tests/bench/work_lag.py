"""The event loop's lag while pages of 500 KB are parsed with `--parse auto`.

The lag is how much later than asked the loop runs a timer, as the crawl itself measures it
throughout. The p99 of each run, and of those the median.
"""

from __future__ import annotations

import statistics

from tests.bench.contestants import our_command, ours
from tests.bench.measure import NotDone, Sample, play
from tests.bench.report import Result, Row, Target
from tests.bench.setting import Setting
from tests.real.site import big_paths

_URLS = 2_000
_TARGET = Target(bound=20, unit=" ms", at_least=False)


def measure(setting: Setting) -> Result:
    """Crawl 2,000 URLs of big pages and read the lag from the statistics."""
    urls = setting.list_of("big", big_paths(), setting.share(_URLS))
    command = our_command(urls)
    samples = play([ours("ours", urls, command)], setting.rounds, setting.say)
    p50, p99, largest = (_lag(samples["ours"], name) for name in ("p50", "p99", "max"))
    row = Row(
        work="event loop's lag, p99, 500 KB pages",
        ours=f"{p99:.1f} ms",
        peer="",
        value=p99,
        target=_TARGET,
        note=f"p50 {p50:.1f} ms, largest {largest:.1f} ms (medians of the runs)",
    )
    rows = setting.explained([row], command)
    return Result(key="lag", how=__doc__, rows=rows, samples=samples)


def _lag(samples: list[Sample], name: str) -> float:
    """The median over the runs of one figure of the lag, in milliseconds."""
    try:
        return 1e3 * statistics.median(
            float(sample.figures["loop_lag"][name]) for sample in samples
        )
    except KeyError as error:
        raise NotDone(f"our --stats file has no loop_lag.{name}") from error
