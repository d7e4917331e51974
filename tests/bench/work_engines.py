"""The async against the threaded engine: real pages, then small pages, each on the same list."""

from __future__ import annotations

from tests.bench import compared
from tests.bench.contestants import UrlList, our_command, ours
from tests.bench.measure import Sample, play
from tests.bench.report import Result, Row
from tests.bench.setting import Setting

_SMALL_URLS = 20_000


def measure(setting: Setting) -> Result:
    """Both engines on both lists; no target, the figures speak."""
    lists = {
        "real": setting.doc_pages(),
        "small": setting.small_pages(setting.share(_SMALL_URLS)),
    }
    rows: list[Row] = []
    samples: dict[str, list[Sample]] = {}
    for name, urls in lists.items():
        played = _engines(name, urls, setting)
        work = f"{name} pages, async against threaded"
        rows.append(compared.row(work, played[f"async, {name}"], played[f"threaded, {name}"]))
        samples |= played
    return Result(key="engines", how=__doc__, rows=tuple(rows), samples=samples)


def _engines(name: str, urls: UrlList, setting: Setting) -> dict[str, list[Sample]]:
    contestants = [
        ours(f"{engine}, {name}", urls, our_command(urls, engine=engine))
        for engine in ("async", "threaded")
    ]
    return play(contestants, setting.rounds, setting.say)
