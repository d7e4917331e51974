"""What a crawl of the real site has to find: a breadth-first walk over the files themselves.

Nothing of the crawler and no network is in it. Links come from `tests.real.independent`; what the
server would answer is read off the disk by what nginx's documentation says of static files:

- a directory with its slash is its `index.html`, or 403 without one (no autoindex);
- a directory without its slash is a 301 to the same path with it;
- a file is 200, anything else 404; a query changes nothing;
- `.html` is a page, and no other file here is one.

Spellings of a URL that differ in escapes alone are one URL, under the one that was met first.

A URL whose redirect leads to one that the walk has met is a redirect and no more. One whose target
is new stands for it: the target has no record of its own.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from tests.real import independent
from tests.real.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """How a URL ends: its outcome and status as in a record, and the clicks from a seed to it.

    `line` is the number of the line of robots.txt that forbids it, 0 for none; `fetches` counts
    what the server was asked for it.
    """

    outcome: str
    status: int | None
    depth: int
    line: int = 0
    fetches: int = 1


class Answer(NamedTuple):
    """A status, where it redirects to, and the page that came with it."""

    status: int
    location: str = ""
    page: Path | None = None


class Rules:
    """Which paths a robots.txt of one `User-agent: *` group forbids (RFC 9309, 2.2.2 and 2.2.3)."""

    def __init__(self, text: str) -> None:
        self._rules = list(_rules(text))

    def forbidding(self, url: str) -> int:
        """The number of the line that forbids a URL; 0 if it may be asked for."""
        parts = urlsplit(url)
        target = unquote(parts.path) + (f"?{parts.query}" if parts.query else "")
        found = [rule for rule in self._rules if rule[3].match(target)]
        # The longest decides, and of equals the one that allows.
        _, allowed, line, _ = max(found, key=lambda rule: rule[:2], default=(0, True, 0, None))
        return 0 if allowed else line


def _rules(text: str) -> Iterator[tuple[int, bool, int, re.Pattern[str]]]:
    """Length, whether it allows, number and expression of each rule after `User-agent: *`."""
    ours = False
    for number, line in enumerate(text.splitlines(), 1):
        name, _, value = (part.strip() for part in line.partition(":"))
        if name == "User-agent":
            ours = value == "*"
        elif ours and name in ("Allow", "Disallow"):
            expression = re.escape(value).replace(r"\*", ".*").replace(r"\$", r"\Z")
            yield len(value), name == "Allow", number, re.compile(expression)


class Walk:
    """One walk over `site`, obeying `robots`; its result is `visits`, by URL."""

    def __init__(self, site: Site, robots: str) -> None:
        self._site = site
        self._host = urlsplit(site.origin).hostname
        self._rules = Rules(robots)
        self._met: set[str] = set()
        self._queue: deque[tuple[str, int]] = deque()
        self.visits: dict[str, Visit] = {}

    def run(self, seeds: Sequence[str]) -> dict[str, Visit]:
        """Visit everything that the seeds lead to, the nearest first."""
        self._meet(seeds, 0)
        while self._queue:
            url, depth = self._queue.popleft()
            self.visits[url] = self._visit(url, depth)
        return self.visits

    def _meet(self, urls: Sequence[str], depth: int) -> None:
        for url in urls:
            if _same(url) not in self._met and urlsplit(url).hostname == self._host:
                self._met.add(_same(url))
                self._queue.append((url, depth))

    def _visit(self, url: str, depth: int) -> Visit:
        if line := self._rules.forbidding(url):
            return Visit(outcome="skipped", status=None, depth=depth, line=line, fetches=0)
        answer = self._answer(url)
        if not answer.location:
            return self._read(url, answer, depth, fetches=1)
        if _same(answer.location) in self._met:
            return Visit(outcome="redirect", status=answer.status, depth=depth)
        self._met.add(_same(answer.location))
        if line := self._rules.forbidding(answer.location):
            return Visit(outcome="failed", status=None, depth=depth, line=line)
        return self._read(answer.location, self._answer(answer.location), depth, fetches=2)

    def _read(self, url: str, answer: Answer, depth: int, fetches: int) -> Visit:
        if answer.page is not None:
            self._meet(_followed(answer.page, url), depth + 1)
        outcome = "page" if answer.status == 200 else "failed"
        return Visit(outcome=outcome, status=answer.status, depth=depth, fetches=fetches)

    def _answer(self, url: str) -> Answer:
        """What the server says; no link of this site leads from one redirect to another."""
        path = unquote(urlsplit(url).path)
        file = self._site.file(path)
        if file.is_dir():
            if not path.endswith("/"):
                return Answer(301, location=f"{self._site.origin}{path}/")
            file /= "index.html"
            if not file.is_file():
                return Answer(403)
        if not file.is_file() or path.endswith(".html/"):
            return Answer(404)
        return Answer(200, page=file if file.suffix == ".html" else None)


def _same(url: str) -> str:
    """Return what all spellings of a URL have in common (RFC 3986, 6.2.2.1 and 6.2.2.2)."""
    return re.sub("%[0-9A-Fa-f]{2}", _spelled, url)


def _spelled(escape: re.Match[str]) -> str:
    character = chr(int(escape[0][1:], 16))
    unreserved = character.isascii() and (character.isalnum() or character in "-._~")
    return character if unreserved else escape[0].upper()


@cache
def _followed(file: Path, url: str) -> tuple[str, ...]:
    """The links of a page that are to be followed; every walk reads the same files."""
    return tuple(independent.followed(file.read_bytes(), url))
