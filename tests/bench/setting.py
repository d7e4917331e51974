"""What every work is given: where, how often, how much, and whom to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.bench import profile
from tests.bench.contestants import UrlList, clear
from tests.bench.report import Row
from tests.real.command import CrawlCommand
from tests.real.site import Site, pages

_LIMIT = 400_000  # bytes; the nine larger pages would decide the figure alone
_QUERIES = 4
_QUICK = 10  # --quick does a tenth of the work


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One run of the benchmark. `python` is that of the peers' environment."""

    site: Site
    directory: Path
    python: Path
    rounds: int
    quick: bool
    closed_port_urls: int
    say: Callable[[str], None]

    def share(self, count: int) -> int:
        """`count`, or a tenth of it when the run is to be quick."""
        return max(1, count // _QUICK) if self.quick else count

    def explained(self, rows: Iterable[Row], command: CrawlCommand) -> tuple[Row, ...]:
        """The rows, each that misses its target with a profile of one more run of ours."""
        clear(command)
        return profile.in_missed(rows, self.python, command.words())

    def doc_pages(self, queries: int = _QUERIES) -> UrlList:
        """So many URLs for each documentation page under 400 KB (2,084 for 521 pages and 4)."""
        chosen = [page for page in pages() if page.size < _LIMIT]
        numbers = range(1 if self.quick else queries)
        urls = [self.site.url(page.path, f"i={number}") for number in numbers for page in chosen]
        return self._list(f"pages-{queries}", urls)

    def small_pages(self, count: int) -> UrlList:
        """`count` URLs of the page of 1,400 bytes."""
        urls = [self.site.url("/small.html", f"i={number}") for number in range(count)]
        return self._list(f"small-{count}", urls)

    def spread(self, urls: UrlList, hosts: int) -> UrlList:
        """The URLs of a list, by turns at so many hosts."""
        texts = urls.path.read_text().split()
        moved = [self.site.elsewhere(url, number % hosts) for number, url in enumerate(texts)]
        return self._list(f"{urls.path.stem}-at-{hosts}", moved)

    def list_of(self, name: str, paths: list[str], count: int) -> UrlList:
        """`count` URLs that go round `paths`, told apart by their query."""
        numbers = range(count)
        return self._list(name, [self.site.url(paths[n % len(paths)], f"i={n}") for n in numbers])

    def _list(self, name: str, urls: list[str]) -> UrlList:
        return UrlList.write(self.directory / f"{name}.txt", urls)
