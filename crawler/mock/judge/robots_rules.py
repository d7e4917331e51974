"""The rules of a robots.txt by RFC 9309, independent of the crawler's reading.

Groups of one product token are merged, the longest matching pattern wins, a tie allows, `*` matches
any octets and a final `$` the end. Where the RFC leaves a choice, nobody is blamed: bytes past
500 KiB are not read, and a rule that is cut there does not count.

Reading is linear in the file; a question costs the rules of one agent, each in linear time (no
pattern backtracks).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Self

# RFC 9309 section 2.5: every crawler has to read at least this much.
MAX_BYTES = 500 * 1024
MAX_AGENTS = 64
# Nearly every browser and many crawlers begin with it, so it identifies nobody.
_EVERYBODY = "mozilla"

_BOM = b"\xef\xbb\xbf"
_TOKEN = re.compile(r"[A-Za-z_-]+")
# A product of a User-Agent field (RFC 9110 section 10.1.5), in a comment as well.
_PRODUCT = re.compile(r"(?:^|[ (;])([A-Za-z_-]+)/")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})|([^\x21-\x7e])", re.DOTALL)
# In a query these mean the same with and without an escape (the table of RFC 9309 section 2.2.2).
_OF_QUERY = frozenset(b":/?@")

Group = list["PathRule"]


@dataclass(frozen=True, slots=True)
class PathRule:
    """One line of allow or disallow; `parts` lie between the wildcards of the pattern."""

    allow: bool
    parts: tuple[bytes, ...]
    anchored: bool

    @classmethod
    def read(cls, allow: bool, pattern: bytes) -> Self:
        """Return the rule of a pattern as written in the file."""
        anchored = pattern.endswith(b"$")
        pattern = pattern[:-1] if anchored else pattern
        parts = _comparable(pattern).replace(b"$", b"%24").split(b"*")
        return cls(allow, tuple(parts), anchored)

    @property
    def octets(self) -> int:
        """The pattern's length, which decides between rules."""
        return sum(map(len, self.parts)) + len(self.parts) - 1 + self.anchored

    def matches(self, path: bytes) -> bool:
        """Return True if the pattern matches a path in its comparable form."""
        first, *rest = self.parts
        if not path.startswith(first):
            return False
        at = len(first)
        if not rest:
            return not self.anchored or at == len(path)
        for part in rest[:-1]:
            found = path.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        if self.anchored:
            return len(path) - len(rest[-1]) >= at and path.endswith(rest[-1])
        return path.find(rest[-1], at) >= 0


@dataclass(slots=True)
class Rules:
    """The rules of one host; `Rules()` allows everything.

    groups: by product token in lower case, `*` for all others. free: beginnings of paths that are
    never forbidden; a `/robots.txt` may always be asked for.
    """

    groups: dict[str, Group] = field(default_factory=dict)
    free: tuple[str, ...] = ()
    _agents: dict[str, tuple[PathRule, ...]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    @classmethod
    def read(cls, body: bytes, *, free: tuple[str, ...] = ()) -> Self:
        """Return the rules of a file; anything else in it is ignored, and nothing raises."""
        return cls(_groups(_lines(body)), free)

    @classmethod
    def nothing(cls, *, free: tuple[str, ...] = ()) -> Self:
        """Return rules that forbid everything to everybody."""
        return cls({"*": [PathRule.read(allow=False, pattern=b"/")]}, free)

    def allows(self, user_agent: str, target: str) -> bool:
        """Return True if a client may request a target (path and query).

        user_agent: its whole User-Agent field, or a bare product token. target: as text, or with
        octets beyond ASCII as Latin-1, as they come from the wire.
        """
        if target.partition("?")[0] == "/robots.txt" or target.startswith(self.free or ("\n",)):
            return True
        path = _comparable(_octets(target)).replace(b"*", b"%2A").replace(b"$", b"%24")
        best, allowed = -1, True
        for rule in self._for(user_agent):
            octets = rule.octets
            if octets >= best and rule.matches(path):  # the longest wins; in a tie, allow
                allowed = rule.allow or (allowed and octets == best)
                best = octets
        return allowed

    def _for(self, user_agent: str) -> tuple[PathRule, ...]:
        found = self._agents.get(user_agent)
        if found is None:
            if len(self._agents) >= MAX_AGENTS:  # clients choose the texts
                self._agents.clear()
            own = [self.groups[token] for token in products(user_agent) if token in self.groups]
            found = tuple(chain.from_iterable(own or [self.groups.get("*", [])]))
            self._agents[user_agent] = found
        return found


def products(user_agent: str) -> tuple[str, ...]:
    """Return the product tokens of a client, in lower case.

    `Mozilla/5.0 (compatible; SomeBot/1.0)` is SomeBot, as everybody says Mozilla.
    """
    leading = _TOKEN.match(user_agent)
    tokens = [leading[0]] if leading else []
    tokens += _PRODUCT.findall(user_agent)
    named = tuple(dict.fromkeys(token.lower() for token in tokens))
    return tuple(name for name in named if name != _EVERYBODY) or named


def _lines(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield key and value of each line; lines end with CR, LF or both."""
    whole = len(body) <= MAX_BYTES
    text = body[:MAX_BYTES].removeprefix(_BOM).replace(b"\r", b"\n")
    lines = text.split(b"\n")
    if not whole and body[MAX_BYTES : MAX_BYTES + 1] not in (b"\r", b"\n"):
        lines.pop()  # half a rule may say the opposite
    for line in lines:
        bare = line.partition(b"#")[0].strip(b" \t")
        key, colon, value = bare.partition(b":")
        if not colon:  # `disallow /` is a common slip
            key, _, value = bare.replace(b"\t", b" ").partition(b" ")
        yield key.strip(b" \t").decode("latin-1").lower(), value.strip(b" \t")


def _groups(lines: Iterator[tuple[str, bytes]]) -> dict[str, Group]:
    groups: dict[str, Group] = {}
    open_groups: list[Group] = []
    naming = False  # True if the last line that counts named an agent
    for key, value in lines:
        if key == "user-agent":
            if not naming:  # the first agent after a rule begins new groups
                open_groups = []
            naming = True
            token = _agent(value.decode("latin-1"))
            if token:
                open_groups.append(groups.setdefault(token, []))
        elif key in ("allow", "disallow"):
            naming = False
            rule = PathRule.read(key == "allow", value)
            for group in open_groups if value else ():
                group.append(rule)
    return groups


def _agent(value: str) -> str:
    if value.startswith("*"):
        return "*"
    token = _TOKEN.match(value)
    return token[0].lower() if token else ""


def _octets(target: str) -> bytes:
    try:
        return target.encode("latin-1")
    except UnicodeEncodeError:
        return target.encode(errors="surrogatepass")


def _comparable(path: bytes) -> bytes:
    """Return the same spelling for all paths that are equal by RFC 3986.

    Octets beyond ASCII are escaped, in upper case, and unreserved ones are not. Reserved ones stay
    as they are, except for those without a meaning in a query.
    """
    before, question, query = path.partition(b"?")
    return _escaped(before, _UNRESERVED) + question + _escaped(query, _UNRESERVED | _OF_QUERY)


def _escaped(part: bytes, bare: frozenset[int]) -> bytes:
    def spelling(found: re.Match[bytes]) -> bytes:
        octet = int(found[1], 16) if found[1] else found[2][0]
        return bytes((octet,)) if octet in bare else b"%%%02X" % octet

    return _ESCAPE.sub(spelling, part)
