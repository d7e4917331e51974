"""Compare a crawl with the truth: one pass over its records, one over the truth.

A record is a JSON object with at least `url`. Of other crawlers' records, `status`, `title` and
`final_url` are used if present. Memory: three bits per page, and up to 400,000 fingerprints of URLs
that are not pages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from crawler.mock.graph.kind import PageKind
from crawler.mock.graph.node import Node, graph
from crawler.mock.graph.robots_forms import rules
from crawler.mock.judge.truth import nodes
from crawler.mock.scenario import MockWeb
from crawler.model.url import InvalidUrl, Url, parse

MAX_STRANGERS = 200_000
_EXAMPLES = 10
_REDIRECTS = range(300, 400)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreResult:
    """The score of a crawl. Pages are those of the graph; a URL counts once, in any spelling.

    records: all records, `skipped` of them not fetched. wanted: pages that a perfect crawl of this
    scope fetches. found: wanted pages that were fetched, with their own record or as the end of a
    redirect. A page counts as fetched with any status; without one only if its fault explains that.
    recall: found / wanted. precision: share of the fetched URLs, except traps, that are pages; 1.0
    if nothing was fetched. repeats: records of a URL that an earlier record had.
    robots_violations: URLs of this web, pages or not, fetched although robots.txt forbids them.
    nofollow_pages, sitemap_pages: fetched pages that only a nofollow link, only a sitemap leads to.
    trap_pages: URLs fetched under /trap/. strangers: fetched URLs that are neither pages nor traps,
    nor robots.txt or sitemaps. wrong_status, wrong_title: records that differ from the truth.
    duplicates: fetched pages whose content another page has exactly. missing: the first ten URLs
    not found. unexpected: the first ten that are strangers, forbidden or repeated.
    """

    records: int
    skipped: int
    wanted: int
    found: int
    recall: float
    precision: float
    repeats: int
    robots_violations: int
    nofollow_pages: int
    sitemap_pages: int
    trap_pages: int
    strangers: int
    wrong_status: int
    wrong_title: int
    duplicates: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]


class Score:
    """Counts the records of one crawl against the truth of one web.

    sitemaps, nofollow: pages that only sitemaps list, or only nofollow links lead to, are wanted,
    too. hosts: the numbers of the hosts in the crawl's scope; None for all. Pages of other hosts
    are not wanted, but they are not strangers.
    """

    def __init__(
        self,
        options: MockWeb,
        *,
        sitemaps: bool = False,
        nofollow: bool = False,
        hosts: Container[int] | None = None,
    ) -> None:
        self._options = options
        self._graph = graph(options)
        meant = {PageKind.SITEMAP_ONLY: sitemaps, PageKind.NOFOLLOW: nofollow}
        self._meant = frozenset(kind for kind, wanted in meant.items() if wanted)
        self._hosts = hosts
        self._recorded, self._asked, self._fetched = (_Bits(options.pages) for _ in range(3))
        self._strange_records, self._strange = _Urls(), _Urls()
        self._counts = Counter[str]()
        self._unexpected: list[str] = []

    def __repr__(self) -> str:
        return f"Score({self._graph}, {self._counts['records']} records)"

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one record; raise ValueError without a URL or with an invalid status."""
        url = record.get("url")
        if not isinstance(url, str):
            raise ValueError("a record without a url")  # noqa: TRY004  as for any invalid record
        visits = _visits(url, record)
        self._counts["records"] += 1
        if record.get("outcome") == "skipped":
            self._counts["skipped"] += 1
            return
        self._record(url)
        # A null status means no answer; a record without the key comes from another crawler.
        ended = "status" not in record or record["status"] is not None
        nodes = [self._visit(visit, answered=ended or visit is not visits[-1]) for visit in visits]
        self._counts["wrong_status"] += any(map(_wrong, nodes, visits))
        self._counts["wrong_title"] += _wrong_title(nodes[-1], visits[-1], record)

    def result(self) -> ScoreResult:
        """Return the score so far, in one pass over the truth."""
        counts, missing = self._counts, list[str]()
        wanted = found = 0
        for node in self._wanted():
            wanted += 1
            if node.place.number in self._fetched:
                found += 1
            elif len(missing) < _EXAMPLES:
                missing.append(node.url)
        known = counts["asked"]
        fetched = known + counts["strangers"]
        return ScoreResult(
            wanted=wanted,
            found=found,
            recall=found / wanted if wanted else 1.0,
            precision=known / fetched if fetched else 1.0,
            missing=tuple(missing),
            unexpected=tuple(self._unexpected),
            **{name: counts[name] for name in _COUNTED},
        )

    def _wanted(self) -> Iterator[Node]:
        for host in range(self._graph.layout.hosts):
            if self._hosts is None or host in self._hosts:
                yield from (node for node in nodes(self._options, host) if node.wanted(self._meant))

    def _record(self, url: str) -> None:
        read = parse(url)
        node = self._graph.named(read) if isinstance(read, Url) else None
        new = (
            self._strange_records.add(read.fingerprint)
            if node is None
            else self._recorded.add(node.place.number)
        )
        if not new:
            self._counts["repeats"] += 1
            self._note(url)

    def _visit(self, visit: _Visit, *, answered: bool) -> Node | None:
        """Count a URL that was requested, also within a redirect; return its page, if any."""
        read = parse(visit.url)
        node = self._graph.named(read) if isinstance(read, Url) else None
        if node is None:
            self._stranger(read)
            return None
        if answered or node.kind is PageKind.FAULTY:
            self._fetched.add(node.place.number)
        if self._asked.add(node.place.number):
            self._counts["asked"] += 1
            self._counts[_COUNTED_KINDS.get(node.kind, "others")] += 1
            if node.disallowed:
                self._counts["robots_violations"] += 1
                self._note(visit.url)
        return node

    def _stranger(self, read: Url | InvalidUrl) -> None:
        host, path = None, ""
        if isinstance(read, Url) and (host := self._graph.host(read.host_key)) is not None:
            path = read.path
        if path.startswith(("/robots.txt", "/sitemap")) or not self._strange.add(read.fingerprint):
            return
        forbidden = host is not None and not rules(self._options, host).allows("*", path)
        trapped = path.startswith("/trap/") or path == "/trap"
        self._counts["robots_violations"] += forbidden
        self._counts["trap_pages" if trapped else "strangers"] += 1
        if forbidden or not trapped:  # allowed traps are too many for the examples
            self._note(read.href if isinstance(read, Url) else read.text)

    def _note(self, url: str) -> None:
        if len(self._unexpected) < _EXAMPLES:
            self._unexpected.append(url)


_COUNTED = (
    "records", "skipped", "repeats", "robots_violations", "nofollow_pages", "sitemap_pages",
    "trap_pages", "strangers", "wrong_status", "wrong_title", "duplicates",
)  # fmt: skip
_COUNTED_KINDS: Mapping[PageKind, str] = {
    PageKind.NOFOLLOW: "nofollow_pages",
    PageKind.SITEMAP_ONLY: "sitemap_pages",
    PageKind.DUPLICATE: "duplicates",
}


class _Visit(NamedTuple):
    """A requested URL. status: None if unknown; redirected: another visit follows."""

    url: str
    status: int | None
    redirected: bool


def _visits(url: str, record: Mapping[str, Any]) -> list[_Visit]:
    final = record.get("final_url")
    end = final if isinstance(final, str) else url
    hops = [_hop(hop) for hop in record.get("redirects") or ()]
    if not hops and parse(end) != parse(url):
        hops = [_Visit(url, None, True)]
    return [*hops, _Visit(end, _status(record.get("status")), False)]


def _hop(hop: object) -> _Visit:
    if isinstance(hop, Mapping):
        return _Visit(str(hop.get("url")), _status(hop.get("status")), True)
    return _Visit(str(hop), None, True)


def _status(value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    raise ValueError(f"expected a status, got {value!r}")


def _wrong(node: Node | None, visit: _Visit) -> bool:
    """Return True if a visit's status contradicts the truth."""
    if node is None or not node.status:
        return False
    if visit.status is None:
        return visit.redirected and node.status not in _REDIRECTS
    return visit.status != node.status


def _wrong_title(node: Node | None, visit: _Visit, record: Mapping[str, Any]) -> bool:
    """Return True if the title of a fetched page is wrong, apart from white space."""
    if node is None or not node.html or "title" not in record or visit.status not in (None, 200):
        return False
    if record.get("outcome") == "failed":
        return False
    return " ".join(str(record["title"] or "").split()) != node.title


class _Bits:
    """A set of numbers below a limit, one bit each."""

    def __init__(self, limit: int) -> None:
        self._bytes = bytearray(-(-limit // 8))

    def __contains__(self, number: int) -> bool:
        return bool(self._bytes[number >> 3] >> (number & 7) & 1)

    def add(self, number: int) -> bool:
        """Add a number; return False if it was there."""
        if number in self:
            return False
        self._bytes[number >> 3] |= 1 << (number & 7)
        return True


class _Urls:
    """The first `MAX_STRANGERS` fingerprints; later ones always count as new."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def add(self, fingerprint: int) -> bool:
        """Add a fingerprint; return False if it was there."""
        if fingerprint in self._seen:
            return False
        if len(self._seen) < MAX_STRANGERS:
            self._seen.add(fingerprint)
        return True
