"""Real pages: title and links of 2,084 documentation URLs to JSON lines, against Scrapy.

Scrapy runs twice: as it is tuned by everyone (64 requests at once, no delay), and with one more
setting that suits this work and that few know (`CONCURRENT_ITEMS=1`).
"""

from __future__ import annotations

from tests.bench import compared
from tests.bench.contestants import our_command, ours, scrapy
from tests.bench.measure import play
from tests.bench.report import Result, Target
from tests.bench.setting import Setting

_TARGET = Target(bound=12, unit="x")
_RAW_TARGET, _RAW_AGAINST_OURS = Target(bound=14, unit="x"), Target(bound=1.0, unit="x")


def measure(setting: Setting) -> Result:
    """Ours and both Scrapys on the same list."""
    urls = setting.doc_pages()
    command, raw = our_command(urls), our_command(urls, engine="raw")
    contestants = [
        ours("ours", urls, command),
        ours("ours, raw", urls, raw),
        scrapy("Scrapy", urls, setting.python),
        scrapy("Scrapy, 1 item", urls, setting.python, items=1),
    ]
    samples = play(contestants, setting.rounds, setting.say)
    peers = [name for name in samples if not name.startswith("ours")]
    rows = (
        compared.row(f"real pages, against {peer}", samples["ours"], samples[peer], _TARGET)
        for peer in peers
    )
    by_raw = (
        compared.row(
            f"real pages, raw, against {peer}", samples["ours, raw"], samples[peer], target
        )
        for peer, target in {"Scrapy": _RAW_TARGET, "ours": _RAW_AGAINST_OURS}.items()
    )
    explained = (*setting.explained(rows, command), *setting.explained(by_raw, raw))
    return Result(key="pages", how=__doc__, rows=explained, samples=samples)
