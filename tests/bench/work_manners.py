"""Manners: what robots.txt, the address guard and limits for host and address cost.

The same list of small pages from one host, by turns with manners and without, with as many requests
in flight and no delay. With manners, robots.txt is read and asked about every URL, the width is
learned, every connection's address is judged (loopback is opened as a network, so that the guard
looks at each), and host and address are counted and timed; without, none of it.
"""

from __future__ import annotations

from tests.bench import compared
from tests.bench.contestants import our_command, ours
from tests.bench.measure import play
from tests.bench.report import Result, Target
from tests.bench.setting import Setting

_URLS = 20_000


def measure(setting: Setting) -> Result:
    """With and without, on the same list."""
    urls = setting.small_pages(setting.share(_URLS))
    polite, bare = our_command(urls, manners=True), our_command(urls)
    contestants = [ours("with manners", urls, polite), ours("without", urls, bare)]
    samples = play(contestants, setting.rounds, setting.say)
    row = compared.row(
        "small pages, with all manners against none",
        samples["with manners"],
        samples["without"],
        Target(bound=0.9, unit="x"),
    )
    explained = setting.explained([row], polite)
    return Result(key="manners", how=__doc__, rows=explained, samples=samples)
