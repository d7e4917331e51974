"""Traps: endless sites, made by accident (calendars, facets, sessions) or on purpose.

Every cap gives a value of `Refusal`, to be counted. There are two questions:

    refusal(url)             for each URL that is new to the crawl, exactly once
    visited(url, skeleton)   for each page that was parsed, before its links are followed

The first considers the shape: length, depth, repeated segments, and for each path the number of its
queries, their orders and combinations of names, or its sessions.

The second considers what calendars, endless lists and soft 404s have in common: page after page of
one text, except for numbers and addresses (`crawler.formats.simhash`, skeleton). Beyond the cap
the links of such pages are not followed. If nine in ten pages of one shape of path
(`/calendar/#/#`) are like that, the shape is barren: `refusal` refuses it, and `barren`
those that wait already.

Memory: 2 x `_KEYS` counts of 100 bytes, of 200 for paths with queries (60 MB at most), and
`_BARREN` shapes. Forgetting lets a trap go on for another cap and refuses nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from zlib import crc32

from crawler.core.refusal import Refusal
from crawler.core.tally import Tally
from crawler.formats import caps
from crawler.model.following_config import FollowingConfig
from crawler.model.url import Url, fingerprint

_KEYS = 1 << 17
_BARREN = 10_000
_MOSTLY = 0.9
_SESSIONS = 2  # URLs that differ only in a session
_ORDERS = 1  # URLs that differ only in the order of their parameters

# A session's value has 16 characters or more: `sid=17` is a story's number.
_VALUE = r"=[\w.~!%-]{16,}"
_SESSION = re.compile(
    rf"(?:[;?&](?:(?:php|j|asp|oscs?)?sess(?:ion)?_?(?:id\w*)?|sid|oscsid|zenid|cftoken){_VALUE}"
    r"|/\([A-Z]\([\w-]{16,}\)\))",
    re.IGNORECASE | re.ASCII,
)
# What is counted of one place: its hash, with some bits turned round.
_PAGES, _EQUAL, _NAMES, _QUERIES = (n * 0x9E37_79B9_7F4A_7C15 % 2**64 for n in (1, 2, 3, 4))
_VARYING = re.compile(r"[^/]*\d[^/]*")


class Traps:
    """Counts what hosts have shown, and refuses URLs beyond the caps of `options`.

    combinations: maximum sets of parameter names of one path.
    """

    def __init__(self, options: FollowingConfig, combinations: int = 100) -> None:
        self._options = options
        self._combinations = combinations
        self._tally = Tally(_KEYS)
        self._barren: dict[str, set[str]] = {}  # shapes by host key
        self._shapes = 0

    def __repr__(self) -> str:
        return f"Traps({self._tally!r}, barren shapes={self._shapes})"

    def state(self) -> tuple[dict[int, int], dict[str, list[str]]]:
        """Return the counts by fingerprint, and the barren shapes by host key."""
        return self._tally.state(), {host: list(each) for host, each in self._barren.items()}

    def restore(self, counts: Mapping[int, int], barren: Mapping[str, Sequence[str]]) -> None:
        """Continue with what an earlier run has counted."""
        self._tally.restore(counts)
        for host, shapes in barren.items():
            for shape in shapes:
                self._condemn(host, shape)

    def refusal(self, url: Url) -> Refusal | None:
        """Return why `url` is not to be followed, or None."""
        href = url.href
        if len(href) > caps.URL:
            return Refusal.URL_LENGTH
        start = href.index("/", 8)
        mark = href.find("?", start)
        path = href[start:] if mark < 0 else href[start:mark]
        # The cheapest conditions first: most URLs need none of these checks.
        return (
            (path.count("/") > self._options.max_repeats and self._segments(path))
            or ((mark >= 0 or ";" in path or "(" in path) and self._session(href))
            or (mark >= 0 and self._query(href[:mark], href[mark + 1 :]))
            or self.barren(url)
            or None
        )

    def visited(self, url: Url, skeleton: int) -> Refusal | None:
        """Count a page by the skeleton of its text; return why its links are not followed, or None.

        A skeleton of 0 stands for a page without text, which is not counted.
        """
        if not skeleton:
            return None
        host, shape = url.host_key, _shape(url)
        place = fingerprint(f"{host}{shape}")
        equal = self._tally.add(fingerprint(host) ^ skeleton)
        pages = self._tally.add(place ^ _PAGES)
        if equal > 1:
            repeated = self._tally.add(place ^ _EQUAL)
            if repeated > self._options.max_equal_pages and repeated >= _MOSTLY * pages:
                self._condemn(host, shape)
        return Refusal.EQUAL_CONTENT if equal > self._options.max_equal_pages else None

    def barren(self, url: Url) -> Refusal | None:
        """Return the refusal of a URL that waited while its shape became barren, or None."""
        if not self._barren:
            return None
        shapes = self._barren.get(url.host_key)
        return Refusal.EQUAL_CONTENT if shapes and _shape(url) in shapes else None

    def _segments(self, path: str) -> Refusal | None:
        segments = path[1:].removesuffix("/").split("/")
        count = len(segments)
        if count > self._options.max_path_depth:
            return Refusal.PATH_DEPTH
        if count - len(set(segments)) < self._options.max_repeats:
            return None
        often = (name for name, n in Counter(segments).items() if n > self._options.max_repeats)
        return None if all(map(str.isdigit, often)) else Refusal.REPEATED_SEGMENTS

    def _session(self, href: str) -> Refusal | None:
        without, sessions = _SESSION.subn("", href)
        if sessions and self._tally.add(fingerprint(f"session {without}")) > _SESSIONS:
            return Refusal.SESSION
        return None

    def _query(self, page: str, query: str) -> Refusal | None:
        """Return the refusal of a query; each call counts, so it is made once per new URL."""
        tally, place = self._tally, fingerprint(page)
        pairs = query.split("&")
        if len(pairs) > 1:
            pairs.sort()
            if tally.add(place ^ fingerprint("&".join(pairs))) > _ORDERS:
                return Refusal.PERMUTATION
        names = crc32(
            "&".join([pair.partition("=")[0] for pair in pairs]).encode("utf-8", "replace")
        )
        if not tally.admits(place ^ _NAMES, names, self._combinations):
            return Refusal.COMBINATIONS
        return Refusal.QUERIES if tally.add(place ^ _QUERIES) > self._options.max_queries else None

    def _condemn(self, host: str, shape: str) -> None:
        shapes = self._barren.setdefault(host, set())
        if shape not in shapes:
            # The oldest host's shapes make room, and may be this host's own.
            if self._shapes >= _BARREN:
                oldest = next(iter(self._barren))
                self._shapes -= len(self._barren.pop(oldest))
                shapes = self._barren.setdefault(host, set())
            shapes.add(shape)
            self._shapes += 1


def _shape(url: Url) -> str:
    """Return the path, with `#` for each segment with a digit."""
    href = url.href
    return _VARYING.sub("#", href[href.index("/", 8) :].partition("?")[0])
