"""Small pages: 20,000 URLs of 1.4 KB, against Scrapy and against a bare aiohttp loop.

Ours goes twice: over aiohttp, and over the raw client.

The bare loop reads the bodies of the same 20,000 URLs and does nothing with them. Scrapy gets the
first 4,000, to spare time: its rate does not depend on the length of the list.
"""

from __future__ import annotations

from tests.bench import compared
from tests.bench.contestants import bare, our_command, ours, scrapy
from tests.bench.measure import play
from tests.bench.report import Result, Target
from tests.bench.setting import Setting

_URLS, _SCRAPY_URLS = 20_000, 4_000
_RAW_TARGETS = {
    "Scrapy": Target(bound=16, unit="x"),
    "bare aiohttp": Target(bound=1.0, unit="x"),
    "ours": Target(bound=1.0, unit="x"),
}
_TARGETS = {
    "Scrapy": Target(bound=10, unit="x"),
    "Scrapy, 1 item": Target(bound=10, unit="x"),
    "bare aiohttp": Target(bound=0.45, unit="x"),
}


def measure(setting: Setting) -> Result:
    """Ours by both clients, both Scrapys and the bare loop."""
    urls = setting.small_pages(setting.share(_URLS))
    fewer = setting.small_pages(setting.share(_SCRAPY_URLS))
    command, raw = our_command(urls), our_command(urls, engine="raw")
    contestants = [
        ours("ours", urls, command),
        ours("ours, raw", urls, raw),
        scrapy("Scrapy", fewer, setting.python),
        scrapy("Scrapy, 1 item", fewer, setting.python, items=1),
        bare("bare aiohttp", urls),
    ]
    samples = play(contestants, setting.rounds, setting.say)
    rows = (
        compared.row(f"small pages, against {peer}", samples["ours"], samples[peer], target)
        for peer, target in _TARGETS.items()
    )
    by_raw = (
        compared.row(
            f"small pages, raw, against {peer}", samples["ours, raw"], samples[peer], target
        )
        for peer, target in _RAW_TARGETS.items()
    )
    explained = (*setting.explained(rows, command), *setting.explained(by_raw, raw))
    return Result(key="small", how=__doc__, rows=explained, samples=samples)
