"""The truth about the graph: what a perfect crawl finds, page by page, streamed.

It holds for a crawl that starts at host 0's front page, follows every link without rel=nofollow,
obeys robots.txt by RFC 9309 in whatever form hosts answer it, and stays in the web. Other lines of
robots.txt than the default ones have to forbid the same pages or whole hosts. Faults, traps, flat
pages and the rest of the catalogue are no pages of the graph.

Cost: about 35 us an entry, so a truth of ten million pages takes minutes; memory stays flat.
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
    """What there is to know about one page; `PageKind` tells what the kinds mean.

    url: canonical. status: of the answer to this URL itself, after flaky failures; 0 where a fault
    leaves it open. title: of its HTML, empty if it is none. depth: the fewest clicks from its own
    host's front page without leaving the host, redirects not counted; None if no link leads to it.
    cluster: the URL whose content it has exactly or nearly, empty if it stands alone. location: the
    URL that it redirects to, or empty. reachable: whether a crawl that follows links and obeys asks
    for it; disallowed, nofollow: why not. sitemap: whether its host's sitemaps list it.
    charset: as the Encoding Standard names it, empty if it is no HTML. fault: in the catalogue.
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
    """The URL of a host's front page; `find` knows it if the host has pages."""
    return f"{graph(options).origin(host)}/"


def entry(node: Node) -> Entry:
    """The truth about one page."""
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
    """Every page of the web, or of one host, in the order of their numbers."""
    web = graph(options)
    for number in range(web.layout.hosts) if host is None else (host,):
        for local in range(web.layout.size(number)):
            yield web.local(number, local)


def entries(options: MockWeb, host: int | None = None) -> Iterator[Entry]:
    """The truth about every page of the web, or of one host, in the order of their numbers."""
    return map(entry, nodes(options, host))


def find(options: MockWeb, url: str) -> Entry | None:
    """The truth about an absolute URL in any spelling, or None if it is no page of the graph."""
    read = parse(url)
    node = graph(options).named(read) if isinstance(read, Url) else None
    return None if node is None else entry(node)


def listed(options: MockWeb, host: int) -> Iterator[tuple[str, str]]:
    """URL and date (ISO 8601) of every page that a host's sitemaps list."""
    return listed_slice(options, host, 0, local_pages(options, host))


def lines(options: MockWeb) -> Iterator[bytes]:
    """The truth as JSON lines in UTF-8, one an entry, each with its line end."""
    for one in entries(options):
        yield orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE)


def summary(options: MockWeb) -> dict[str, Any]:
    """The truth in numbers, counted page by page.

    start: the URL to crawl from. kinds, statuses, depths, charsets: pages of each. reachable: pages
    that a perfect crawl asks for, without sitemaps; `with_sitemaps` adds those that only sitemaps
    know. disallowed: those that robots.txt forbids. traps: the paths by which front pages lead into
    them; the set of trap URLs is all below /trap/, without an end and none of them a page.
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
