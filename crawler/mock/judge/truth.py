"""The truth about the graph: the pages that a perfect crawl finds, streamed.

It holds for a crawl that starts at host 0's front page, follows every link without rel=nofollow,
obeys robots.txt by RFC 9309 in any form, and stays in the web. Lines of robots.txt other than the
default must forbid the same pages or whole hosts. Faults, traps, flat pages and the rest of the
catalogue are not pages of the graph. Memory stays constant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from crawler.mock.graph.kind import TRAP_LINKS, PageKind
from crawler.mock.graph.node import Node, graph, listed_slice, local_pages
from crawler.mock.scenario import MockWeb
from crawler.model.url import Url, parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The truth about one page; see `PageKind` for the kinds.

    url: canonical. status: of the answer to this URL itself, after flaky failures; 0 if a fault
    leaves it open. title: of its HTML, or empty. depth: the fewest clicks from its host's front
    page on that host, not counting redirects; None if no link leads to it. cluster: the URL with
    the same content, exactly or nearly, or empty. location: the target of its redirect, or empty.
    reachable: an obedient crawl that follows links fetches it; disallowed, nofollow: why not.
    sitemap: its host's sitemaps list it. charset: the Encoding Standard's name, empty unless it is
    HTML. fault: in the catalogue.
    """

    url: str
    kind: str
    status: int
    title: str
    depth: int | None
    host: int
    cluster: str
    location: str
    reachable: bool
    disallowed: bool
    nofollow: bool
    noindex: bool
    sitemap: bool
    charset: str
    fault: str


def front(options: MockWeb, host: int) -> str:
    """Return the URL of a host's front page, even if the host has no pages."""
    return f"{graph(options).origin(host)}/"


def entry(node: Node) -> Entry:
    """Return the truth about one page."""
    kind, target = node.kind, node.target
    return Entry(
        url=node.url,
        kind=kind.value,
        status=node.status,
        title=node.title,
        depth=None if kind is PageKind.SITEMAP_ONLY else node.place.depth,
        host=node.place.host,
        cluster=node.cluster,
        location=target.url if target else "",
        reachable=node.reachable,
        disallowed=node.disallowed,
        nofollow=kind is PageKind.NOFOLLOW,
        noindex=kind is PageKind.NOINDEX,
        sitemap=node.listed,
        charset=node.script.name if node.html else "",
        fault=node.fault,
    )


def nodes(options: MockWeb, host: int | None = None) -> Iterator[Node]:
    """Yield every page of the web, or of one host, in the order of their numbers."""
    web = graph(options)
    for number in range(web.layout.hosts) if host is None else (host,):
        for local in range(web.layout.size(number)):
            yield web.local(number, local)


def entries(options: MockWeb, host: int | None = None) -> Iterator[Entry]:
    """Yield the truth about every page, or those of one host, in the order of their numbers."""
    return map(entry, nodes(options, host))


def find(options: MockWeb, url: str) -> Entry | None:
    """Return the truth about an absolute URL in any spelling; None if it is not a page."""
    read = parse(url)
    node = graph(options).named(read) if isinstance(read, Url) else None
    return None if node is None else entry(node)


def listed(options: MockWeb, host: int) -> Iterator[tuple[str, str]]:
    """Yield URL and date (ISO 8601) of every page that a host's sitemaps list."""
    return listed_slice(options, host, 0, local_pages(options, host))


def lines(options: MockWeb) -> Iterator[bytes]:
    """Yield the truth as JSON lines in UTF-8, one per entry, with line ends."""
    for one in entries(options):
        yield orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE)


def summary(options: MockWeb) -> dict[str, Any]:
    """Return the truth in numbers, counted page by page.

    start: the URL to crawl from. kinds, statuses, depths, charsets: pages of each. reachable: pages
    that a perfect crawl fetches without sitemaps; `with_sitemaps` adds those that only sitemaps
    list. disallowed: pages that robots.txt forbids. traps: the links of front pages into the traps,
    which are endless, below /trap/, and not pages.
    """
    counts = {name: Counter[str]() for name in ("kinds", "statuses", "depths", "charsets")}
    told = Counter[str]()
    for node in nodes(options):
        counts["kinds"][node.kind.value] += 1  # JSON wants plain keys
        counts["statuses"][str(node.status or "open")] += 1
        if node.kind is not PageKind.SITEMAP_ONLY:
            counts["depths"][str(node.place.depth)] += 1
        if node.html:
            counts["charsets"][node.script.name] += 1
        told["in_sitemaps"] += node.listed
        told["disallowed"] += node.disallowed
        told["reachable"] += node.reachable
        told["with_sitemaps"] += node.wanted((PageKind.SITEMAP_ONLY,))
    return {
        "seed": options.seed,
        "start": front(options, 0),
        "pages": options.pages,
        "hosts": graph(options).layout.hosts,
        **{
            name: told[name] for name in ("reachable", "with_sitemaps", "in_sitemaps", "disallowed")
        },
        "traps": list(TRAP_LINKS) if options.traps else [],
    } | {name: dict(sorted(counter.items(), key=_numeric)) for name, counter in counts.items()}


def _numeric(item: tuple[str, int]) -> tuple[int, str]:
    return int(item[0]) if item[0].isdigit() else 0, item[0]
