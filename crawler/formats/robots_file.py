"""Parse a robots.txt into records and groups (RFC 9309, 2.1 to 2.2.1 and 2.2.4).

Any bytes are a robots.txt: each line is read separately, and invalid ones are ignored. Records
other than agents and rules do not end a group. A Crawl-delay belongs to the agents named above it:
files often have one agent with only a delay before another's rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

from crawler.formats.robots_patterns import Rule
from crawler.model.value import value

MAX_BYTES = 500 * 1024
"""Maximum octets read; RFC 9309, 2.5 asks for at least as many.

Pass one more of a longer file: only then is the last line known to be cut.
"""

MAX_RULES = 20_000
"""Maximum rules and wildcards of the groups that apply: 25 octets a line in a full-size file."""

MAX_SITEMAPS = 500
"""Maximum sitemaps; a site with more has an index of them."""

_BOM = b"\xef\xbb\xbf"
_TOKEN = re.compile(r"[A-Za-z_-]++")  # RFC 9309, 2.2.1
_SECONDS = re.compile(rb"[0-9]{1,9}+(?:\.[0-9]{0,9}+)?+|\.[0-9]{1,9}+")


class Field(Enum):
    """The meaningful records."""

    USER_AGENT = "user-agent"
    ALLOW = "allow"
    DISALLOW = "disallow"
    CRAWL_DELAY = "crawl-delay"
    SITEMAP = "sitemap"


# Misspellings that Google's parser knows, too. None makes an Allow.
_NAMES = {name.value.encode(): name for name in Field} | {
    b"user agent": Field.USER_AGENT,
    b"useragent": Field.USER_AGENT,
    **dict.fromkeys(
        (b"dissallow", b"dissalow", b"disalow", b"diasllow", b"disallaw"), Field.DISALLOW
    ),
}

# A line: name, colon and value; or, by a common slip, name and one word. Nothing here backtracks.
_RECORD = re.compile(
    rb"^[ \t]*+(%b)(?:[ \t]*+:([^\n#]*+)|[ \t]++([^\s#:]++)[ \t]*+(?=[\n#]|\Z))"
    % b"|".join(_NAMES),
    re.IGNORECASE | re.MULTILINE,
)


@value(frozen=True, slots=True, kw_only=True)
class Said:
    """The records of a file for one agent.

    `too_many_at` is the line of the first rule beyond `MAX_RULES`; 0 if there is none.
    """

    rules: tuple[Rule, ...]
    crawl_delay: float | None
    sitemaps: tuple[str, ...]
    too_many_at: int


def read(body: bytes, agent: str) -> Said:
    """Read a file for a crawler that calls itself `agent`: its own groups, else those of `*`."""
    reader = _GroupReader(product_token(agent))
    for record in _records(body):
        reader.take(*record)
    return reader.said()


def product_token(text: str) -> str:
    """Return the token at the start of an agent's name, in lower case: `crawler` of `Crawler/2.1`.

    `*` stands for itself (alone or before a space); a name without a token gives "".
    """
    if text[:1] == "*" and (len(text) == 1 or text[1].isspace()):
        return "*"
    token = _TOKEN.match(text)
    return token[0].lower() if token else ""


def _records(body: bytes) -> Iterator[tuple[int, Field, bytes]]:
    """Yield line number, name and value of each record."""
    text = _head(body)
    line, at = 1, 0
    for found in _RECORD.finditer(text):
        line += text.count(b"\n", at, found.start())
        at = found.start()
        value = found[2] if found[3] is None else found[3]
        yield line, _NAMES[found[1].lower()], value.strip()


def _head(body: bytes) -> bytes:
    """Return the part of a file to read, its lines ended by LF.

    A line cut by the limit is left out: nothing beyond the limit counts (RFC 9309, 2.5), and half
    a rule is one that nobody wrote; half a Disallow may well be `Disallow: /`.
    """
    text = body[:MAX_BYTES]
    if body[MAX_BYTES : MAX_BYTES + 1] not in (b"", b"\r", b"\n"):
        text = text[: max(text.rfind(b"\n"), text.rfind(b"\r")) + 1]
    return text.removeprefix(_BOM).replace(b"\r\n", b"\n").replace(b"\r", b"\n")


class _Group:
    """All groups of one agent, merged (RFC 9309, 2.2.1)."""

    def __init__(self) -> None:
        self.named = False
        self.delay: float | None = None
        self.too_many_at = 0
        self._lines: list[tuple[int, bool, bytes]] = []
        self._weight = 0

    def add(self, line: int, allow: bool, pattern: bytes) -> None:
        """Keep a rule that can match: not empty, and the beginning of a path."""
        if self.too_many_at or not pattern.startswith((b"/", b"*")):
            return
        self._weight += 1 + pattern.count(b"*")
        if self._weight > MAX_RULES:
            self.too_many_at = line
            return
        self._lines.append((line, allow, pattern))

    def add_delay(self, seconds: float) -> None:
        self.delay = max(seconds, self.delay or 0.0)

    def rules(self) -> tuple[Rule, ...]:
        return tuple(
            Rule.read(allow=allow, line=line, pattern=pattern)
            for line, allow, pattern in self._lines
        )


class _GroupReader:
    """Takes the records of a file in order and keeps those for one agent."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._own, self._everybody = _Group(), _Group()
        self._open: list[_Group] = []
        self._naming = False  # only agents since the last rule: another one joins them
        self._sitemaps: dict[str, None] = {}

    def take(self, line: int, name: Field, value: bytes) -> None:
        match name:
            case Field.USER_AGENT:
                self._name(product_token(value.decode("latin-1")))
            case Field.ALLOW | Field.DISALLOW:
                self._naming = False
                for group in self._open:
                    group.add(line, name is Field.ALLOW, value)
            case Field.CRAWL_DELAY if _SECONDS.fullmatch(value):
                for group in self._open:
                    group.add_delay(float(value))
            case Field.SITEMAP if value and len(self._sitemaps) < MAX_SITEMAPS:
                self._sitemaps[value.decode("utf-8", "replace")] = None

    def _name(self, token: str) -> None:
        if not self._naming:
            self._open = []
        self._naming = True
        named = {self._token: self._own, "*": self._everybody}.get(token) if token else None
        if named and named not in self._open:
            named.named = True
            self._open.append(named)

    def said(self) -> Said:
        group = self._own if self._own.named else self._everybody
        return Said(
            rules=group.rules(),
            crawl_delay=group.delay,
            sitemaps=tuple(self._sitemaps),
            too_many_at=group.too_many_at,
        )
