"""Who takes part: ours, Scrapy, and a bare aiohttp loop, each on a list of URLs.

Every turn is checked: all URLs of the list fetched with status 200, or `NotDone`.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.measure import Contestant, NotDone, Sample, run
from tests.real.command import CrawlCommand

WIDTH = 64  # requests in flight, the same for everyone
SCRAPY_ITEMS = 100  # Scrapy's default CONCURRENT_ITEMS
_SPIDER = Path(__file__).parent / "peers" / "scrapy_pages.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlList:
    """A list on disk: its file, how many URLs it has, and where outputs go."""

    path: Path
    count: int

    @classmethod
    def write(cls, path: Path, urls: list[str]) -> UrlList:
        """Write `urls` to `path`, one a line."""
        path.write_text("".join(f"{url}\n" for url in urls))
        return cls(path=path, count=len(urls))

    def beside(self, name: str) -> Path:
        """A file for a contestant's results, named after the list."""
        return self.path.with_name(f"{self.path.stem}-{name}")


def our_command(
    urls: UrlList,
    *,
    engine: str = "async",
    parse: str = "auto",
    width: int = WIDTH,
    manners: bool = False,
    options: Sequence[str] = (),
) -> CrawlCommand:
    """Our crawl of a list into a directory of its own."""
    room = urls.beside("ours")
    return CrawlCommand(
        urls=urls.path,
        output=room / "out.jsonl",
        engine=engine,
        parse=parse,
        width=width,
        stats=room / "stats.json",
        manners=manners,
        options=options,
    )


def ours(name: str, urls: UrlList, command: CrawlCommand) -> Contestant:
    """Our crawler; its own `--stats` give the elapsed time and the further figures."""
    return Contestant(name=name, turn=lambda: _our_turn(urls, command))


def _our_turn(urls: UrlList, command: CrawlCommand) -> Sample:
    clear(command)
    ended = run(command.words())
    stats = read_stats(command)
    done, links = _tally(command.output)
    _check("ours", done, urls.count)
    kept = ("outcomes", "peak_rss", "cpu", "loop_lag", "parse")
    figures = {key: stats[key] for key in kept if key in stats}
    return Sample(
        pages=done,
        elapsed=stats["elapsed"],
        wall=ended.wall,
        cpu=ended.cpu,
        figures={**figures, "links": links},
    )


def clear(command: CrawlCommand) -> None:
    """Empty the directory of the output: a turn must not continue the one before."""
    shutil.rmtree(command.output.parent, ignore_errors=True)
    command.output.parent.mkdir()


def read_stats(command: CrawlCommand) -> dict[str, Any]:
    """What `--stats` wrote; raise `NotDone` when it wrote nothing or no elapsed time."""
    assert command.stats is not None
    if not command.stats.exists():
        raise NotDone("our crawl wrote no --stats file")
    stats: dict[str, Any] = json.loads(command.stats.read_text())
    if not isinstance(stats.get("elapsed"), int | float):
        raise NotDone("our --stats file has no `elapsed`")
    return stats


def scrapy(name: str, urls: UrlList, python: Path, *, items: int = SCRAPY_ITEMS) -> Contestant:
    """Scrapy with the same fields; `python` is that of the peers' environment."""
    output, stats = urls.beside("scrapy.jsonl"), urls.beside("scrapy-stats.json")
    files = [str(_SPIDER), str(urls.path), str(output), str(stats)]
    words = [str(python), *files, str(WIDTH), str(items)]

    def turn() -> Sample:
        ended = run(words)
        elapsed = json.loads(stats.read_text())["elapsed"]
        done, links = _tally(output)
        _check(name, done, urls.count)
        return Sample(
            pages=done, elapsed=elapsed, wall=ended.wall, cpu=ended.cpu, figures={"links": links}
        )

    return Contestant(name=name, turn=turn)


def bare(
    name: str,
    urls: UrlList,
    script: str = "bare_aiohttp",
    arguments: Sequence[str] = (str(WIDTH),),
) -> Contestant:
    """One library alone; by default aiohttp on uvloop, bodies read and dropped."""
    stats = urls.beside("bare-stats.json")
    command = [sys.executable, "-m", f"tests.bench.peers.{script}"]
    words = [*command, str(urls.path), str(stats), *arguments]

    def turn() -> Sample:
        ended = run(words)
        own = json.loads(stats.read_text())
        _check(name, own["pages"], urls.count)
        return Sample(pages=own["pages"], elapsed=own["elapsed"], wall=ended.wall, cpu=ended.cpu)

    return Contestant(name=name, turn=turn)


def _tally(output: Path) -> tuple[int, int]:
    """Records with status 200, and the links in them."""
    done = links = 0
    with output.open("rb") as lines:
        for line in lines:
            record = json.loads(line)
            if record.get("status") == 200:
                done += 1
                links += len(record.get("links") or ())
    return done, links


def _check(name: str, done: int, wanted: int) -> None:
    if done != wanted:
        raise NotDone(f"{name} fetched {done} of {wanted} pages")
