"""A page and all that follows from its number: kind, path, title, script, status and target.

Hubs are always plain, so every linked page can be reached whatever the shares are. The kinds of
other pages are drawn. One call of SHAKE gives a page all its numbers; properties are derived from
them on demand.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate

from crawler.mock.graph.draw import draw
from crawler.mock.graph.kind import FAULTS, FILES, NO_HTML, UNLINKED, UNLISTED, PageKind
from crawler.mock.graph.robots_forms import Stance, stances
from crawler.mock.graph.web_layout import HUB_EVERY, Layout, PagePlace
from crawler.mock.graph.words import OTHERS, SECTIONS, SLUGS, UTF8, Script
from crawler.mock.scenario import MockWeb
from crawler.model.url import Url, parse

_UNIT = 1 << 32
_FIRST_DAY = date(2024, 1, 1)
_DAYS = 730
_REDIRECTS = (301, 302, 303, 307, 308)
_ERRORS = (404, 410, 500)
_PLAIN = (" & ", " | ", ": ", " ")
# windows-1252 has a dash where iso-8859-1 has a control character; other tables disagree on it.
_DASHED = (" & ", " – ", ": ", " ")  # noqa: RUF001
_NUMBERED = re.compile(r"-(0|[1-9][0-9]{0,9})(?:\.[a-z]{1,5}|/)?\Z")


class Graph:
    """The graph of one set of options; finds pages by number, place and path."""

    def __init__(self, options: MockWeb) -> None:
        self.options = options
        self.seed = options.seed
        self.layout = Layout(options.pages, options.hosts, options.depth)
        self.origin = lru_cache(maxsize=4096)(self._origin)
        self.host = lru_cache(maxsize=4096)(self._host)
        self._kinds, self._limits = _kinds(options)
        self.stances = stances(options)

    def __repr__(self) -> str:
        return f"Graph(seed {self.seed}, {self.layout})"

    def page(self, number: int) -> Node:
        """Return page `number` of the web."""
        return Node(self, self.layout.place(number))

    def local(self, host: int, local: int) -> Node:
        """Return a page by its number on its host."""
        return Node(self, self.layout.local(host, local))

    def at(self, host: int, path: str) -> Node | None:
        """Return the page at a path of a host; None unless the path is canonical."""
        local = 0
        if path != "/":
            found = _NUMBERED.search(path)
            local = int(found[1]) if found else 0
            if not local:
                return None
        if local >= self.layout.size(host):
            return None
        node = self.local(host, local)
        return node if node.path == path else None

    def named(self, url: Url) -> Node | None:
        """Return the page of a URL, or None."""
        origin, path = url.host_key, url.path
        if not url.href.startswith(origin):  # credentials make it another URL
            return None
        host = self.host(origin)
        return None if host is None else self.at(host, path)

    def _host(self, origin: str) -> int | None:
        """Return the number of the host with a canonical origin, or None."""
        if origin == self.origin(0):
            return 0
        scheme, _, authority = origin.partition("://")
        return self.options.host_number(authority) if scheme == self.options.scheme else None

    def kind(self, drawn: int) -> PageKind:
        """Return the kind of a page other than a hub by its first number."""
        return self._kinds[bisect_right(self._limits, drawn)]

    def drawn(self, place: PagePlace, depth: int, drawn: int) -> Node:
        """Return the target of a drawn link from a place: at most `depth` deep, or on another host.

        One in four comes from the whole web except closed hosts, so large hosts are more frequent.
        On the same host the depth is limited, so that no page is fewer clicks from its front page
        than its level.
        """
        rest = drawn >> 2
        if not drawn & 3:  # one in four
            other = self.layout.place(rest % self.layout.pages)
            if other.host != place.host and not self.stances.closed(other.host):
                return Node(self, other)
        levels = self.layout.levels(place.host)
        return self.local(place.host, rest % levels[min(depth + 1, len(levels) - 1)])

    def _origin(self, host: int) -> str:
        read = parse(self.options.origin_of(host))
        return read.host_key if isinstance(read, Url) else self.options.origin_of(host)


@lru_cache(maxsize=4)
def graph(options: MockWeb) -> Graph:
    """Return the graph of these options."""
    return Graph(options)


class Node:
    """One page, a function of the graph and the page's number.

    `variant`, `size`, `degree` and `markup` are drawn numbers of 32 bits to derive properties from.
    """

    __slots__ = (
        "_path", "_script", "_title", "degree", "graph", "kind", "label", "markup", "place",
        "size", "variant",
    )  # fmt: skip

    def __init__(self, graph: Graph, place: PagePlace) -> None:
        self.graph = graph
        self.place = place
        self.label = f"{graph.seed}/{place.number}"
        (
            kind,
            self._path,
            self._script,
            self._title,
            self.variant,
            self.size,
            self.degree,
            self.markup,
        ) = draw(self.label, 8)
        self.kind = PageKind.PLAIN if place.row % HUB_EVERY == 0 else graph.kind(kind)

    def __repr__(self) -> str:
        return f"Node({self.place.number}, {self.kind}, {self.url})"

    @property
    def path(self) -> str:
        """Its canonical path by the WHATWG URL standard."""
        if not self.place.local:
            return "/"
        drawn = self._path
        section, other = SECTIONS[drawn & 15], SECTIONS[drawn >> 4 & 15]
        first, second = SLUGS[drawn >> 8 & 31], SLUGS[drawn >> 13 & 31]
        name, style = f"{first}-{self.place.local}", drawn >> 18 & 15
        if self.kind is PageKind.DISALLOWED:  # one of the two patterns of the default robots.txt
            return f"/members/{name}" if style & 1 else f"/{section}/{name}.print"
        if self.kind is PageKind.FILE:
            return f"/{section}/{name}.{self.file[0]}"
        if style > 7:
            return f"/{section}/{second}-{name}"
        if style > 5:
            return f"/{section}/{other}/{second}/{name}"
        if style > 2:
            return f"/{section}/{second}/{name}.html"
        return f"/{section}/{name}/" if style else f"/members/open/{name}"

    @property
    def origin(self) -> str:
        """`scheme://authority` of its host."""
        return self.graph.origin(self.place.host)

    @property
    def url(self) -> str:
        """Its canonical URL."""
        return f"{self.origin}{self.path}"

    @property
    def html(self) -> bool:
        """True if it answers with a page, after any failures."""
        return self.kind not in NO_HTML

    @property
    def disallowed(self) -> bool:
        """True if its host's robots.txt, as answered, forbids it."""
        stance = self.graph.stances[self.place.host]
        if stance is Stance.LINES:
            return self.kind is PageKind.DISALLOWED
        return stance is Stance.CLOSED

    @property
    def reachable(self) -> bool:
        """True if an obedient crawl from host 0 that follows links fetches it."""
        return self.wanted(frozenset())

    def wanted(self, meant: Collection[PageKind]) -> bool:
        """Return True if a crawl that also fetches the `UNLINKED` kinds in `meant` fetches it."""
        if self.kind in UNLINKED and self.kind not in meant:
            return False
        return not self.disallowed and not self.graph.stances.closed(0)

    @property
    def group(self) -> Node:
        """The hub of its group in its level; a hub itself."""
        place = self.place
        if place.hub:
            return self
        return self.graph.local(place.host, place.local - place.row % HUB_EVERY)

    @property
    def source(self) -> Node:
        """The page with its title, script and text: itself unless it is a duplicate."""
        return self.group if self.kind is PageKind.DUPLICATE else self

    @property
    def script(self) -> Script:
        """The script of its HTML; one page in six is not in UTF-8."""
        drawn = self.source._script  # noqa: SLF001  of another node
        scripts = UTF8 if drawn % 6 else OTHERS
        return scripts[(drawn >> 8) % len(scripts)]

    @property
    def title(self) -> str:
        """The title of its HTML without line breaks or double spaces; "" if it has none."""
        if not self.html:
            return ""
        drawn, script = self.source._title, self.script  # noqa: SLF001  of another node
        first, second = script.words[drawn & 7], script.words[drawn >> 3 & 7]
        joints = _DASHED if script.codec.startswith(("utf-", "cp125")) else _PLAIN
        joint = joints[drawn >> 6 & 3]
        return f"{first}{joint}{second} {self.source.place.number}"

    @property
    def status(self) -> int:
        """The status of its answer after any failures; 0 if a fault leaves that open."""
        match self.kind:
            case PageKind.REDIRECT:
                return _REDIRECTS[self.variant % len(_REDIRECTS)]
            case PageKind.ERROR:
                return _ERRORS[self.variant % len(_ERRORS)]
            case PageKind.FAULTY:
                return 0
            case _:
                return 200

    @property
    def failures(self) -> int:
        """The number of 503 answers before it works."""
        return 1 + self.variant % 2 if self.kind is PageKind.FLAKY else 0

    @property
    def fault(self) -> str:
        """Its fault's name in the catalogue, or ""."""
        return FAULTS[self.variant % len(FAULTS)] if self.kind is PageKind.FAULTY else ""

    @property
    def file(self) -> tuple[str, str]:
        """Suffix and media type of a page that is a file."""
        return FILES[self.variant % len(FILES)]

    @property
    def listed(self) -> bool:
        """True if its host's sitemaps list it: sitemap-only pages and most good ones."""
        if self.kind is PageKind.SITEMAP_ONLY:
            return True
        return self.kind not in UNLISTED and self.variant >> 8 & 15 != 0

    @property
    def target(self) -> Node | None:
        """The target of its redirect: a hub no deeper than itself, or any hub on another host."""
        if self.kind is not PageKind.REDIRECT:
            return None
        (drawn,) = draw(f"{self.label}/target", 1)
        return self.graph.drawn(self.place, self.place.depth, drawn).group

    @property
    def copies(self) -> bool:
        """True if it is a hub that another page duplicates, exactly or nearly."""
        place = self.place
        if not place.hub:
            return False
        levels = self.graph.layout.levels(place.host)
        end = min(place.local + HUB_EVERY, levels[place.depth + 1])
        near = (self.graph.local(place.host, local).kind for local in range(place.local + 1, end))
        return any(kind in {PageKind.DUPLICATE, PageKind.NEAR_DUPLICATE} for kind in near)

    @property
    def cluster(self) -> str:
        """The URL of the hub with the same content, or nearly; "" if there are no duplicates."""
        if self.kind in {PageKind.DUPLICATE, PageKind.NEAR_DUPLICATE} or self.copies:
            return self.group.url
        return ""


def local_pages(options: MockWeb, host: int) -> int:
    """Return the number of a host's pages, in O(1); its sitemaps list fewer."""
    return graph(options).layout.size(host)


def listed_slice(options: MockWeb, host: int, start: int, stop: int) -> Iterator[tuple[str, str]]:
    """Yield URL and date (ISO 8601) of the listed pages in a range of local numbers."""
    web = graph(options)
    for local in range(max(start, 0), min(stop, web.layout.size(host))):
        node = web.local(host, local)
        if node.listed:
            yield node.url, (_FIRST_DAY + timedelta(days=node.variant % _DAYS)).isoformat()


def _kinds(options: MockWeb) -> tuple[tuple[PageKind, ...], tuple[int, ...]]:
    """Return the kinds of pages other than hubs, and the drawn number at which each ends.

    Shares are scaled up, as hubs are plain, and scaled down if their sum exceeds 1.
    """
    shares = {
        PageKind.DISALLOWED: options.disallowed,
        PageKind.NOFOLLOW: options.nofollow,
        PageKind.NOINDEX: options.noindex,
        PageKind.SITEMAP_ONLY: options.sitemap_only,
        PageKind.REDIRECT: options.redirects,
        PageKind.ERROR: options.errors,
        PageKind.FLAKY: options.flaky,
        PageKind.FAULTY: options.faulty,
        PageKind.DUPLICATE: options.duplicates,
        PageKind.NEAR_DUPLICATE: options.near_duplicates,
        PageKind.FILE: options.files,
    }
    scale = _UNIT * HUB_EVERY / (HUB_EVERY - 1)
    scale /= max(1.0, sum(shares.values()) * HUB_EVERY / (HUB_EVERY - 1))
    limits = accumulate(round(share * scale) for share in shares.values())
    return (*shares, PageKind.PLAIN), tuple(limits)
