"""Match path patterns of robots.txt (RFC 9309, 2.2.2 and 2.2.3).

Patterns and paths are octets, brought to one spelling before they are compared. There are two
readings of percent-encoding: the RFC's, in which `/%62az` and `/baz` are one path, and that of
Google's parser, in which a pattern keeps its escapes. Here both must allow:

    a Disallow matches by either reading; each of its spellings is a key
    an Allow keeps its own escapes of unreserved octets, but the path's are undone

In a query `:`, `/`, `?` and `@` mean the same with and without an escape (the RFC's own table). So
do everywhere the characters that no URI has raw (`{`, `"`, `|` ..., RFC 3986, 2) and `'`: URL
standards differ in which of them they escape, and authors write them as they see them.

Cost: a path is looked up once for each *length* of a plain pattern, so thousands of plain rules
cost no more than the different lengths that fit into 500 KiB (about a thousand). Patterns with a
`*` inside are tried from the longest down. Each scans the path once, from left to right: the
leftmost match between two stars is always good enough. The cost of a scan is known beforehand; if
it is too high (`MAX_WORK`), no star is looked at: a Disallow ends at its first star, an Allow is
ignored.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple

from crawler.model.glob import fits

MAX_WORK = 64_000_000
"""Maximum octet comparisons for wildcards per path; a real file needs 100,000."""

MAX_TEXT = 200
"""Maximum characters of a pattern in a record."""

_HIDDEN = {octet: f"%{octet:02X}" for octet in range(256) if not 0x21 <= octet <= 0x7E}
_LOWER = re.compile(rb"%(?:[a-f][0-9A-Fa-f]|[0-9A-F][a-f])")
# RFC 3986, 2.3: letters, digits, `-`, `.`, `_` and `~`.
_UNRESERVED = re.compile(rb"%(?:2[DE]|3[0-9]|[46][1-9A-F]|5[0-9AF]|7[0-9AE])")
_OF_QUERY = re.compile(rb"%(?:2F|3A|3F|40)")
# `"`, `'`, `<`, `>`, `\\`, `^`, `` ` ``, `{`, `|` and `}`: one octet, however it is spelled.
_NEVER_RAW = re.compile(rb"%(?:2[27]|3[CE]|5[CE]|60|7[BCD])")
_PLAIN = re.compile(rb"[!-#&-)+-~]*+")  # nothing that has two spellings: no `%`, `*` or `$`
_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*+://[^/?#]*+")


class Rule(NamedTuple):
    """One line that allows or forbids. `octets` decides between rules that match.

    `pattern` is as written, except that anything but visible ASCII is percent-encoded.
    """

    allow: bool
    line: int
    octets: int
    pattern: bytes

    @classmethod
    def read(cls, *, allow: bool, line: int, pattern: bytes) -> Rule:
        """Read a pattern as it stands in the file."""
        if _PLAIN.fullmatch(pattern):
            return cls(allow, line, len(pattern), pattern)
        written = _written(pattern)
        return cls(allow, line, len(_key(_decoded(written))), written)

    @property
    def text(self) -> str:
        """The rule as a line of printable ASCII."""
        pattern = self.pattern.decode("ascii")
        shown = pattern if len(pattern) <= MAX_TEXT else f"{pattern[:MAX_TEXT]}..."
        return f"{'Allow' if self.allow else 'Disallow'}: {shown}"

    @property
    def keys(self) -> Iterable[bytes]:
        """The spellings in which the pattern is compared."""
        if _PLAIN.fullmatch(self.pattern):
            return (self.pattern,)
        if self.allow:
            return (_key(_of_query(self.pattern)),)
        return {_key(_decoded(self.pattern)), _key(self.pattern)}


class PathTarget(NamedTuple):
    """The path and query of a URL, in the spellings that each kind of rule is compared with."""

    forbidding: tuple[bytes, ...]
    allowing: tuple[bytes, ...]

    @classmethod
    def read(cls, url: str) -> PathTarget:
        """Read an absolute URL or a path and query; a fragment is ignored."""
        octets = path_and_query(url).encode("utf-8", "surrogatepass")
        if _PLAIN.fullmatch(octets):
            return cls((octets,), (octets,))
        written = _written(octets).replace(b"*", b"%2A").replace(b"$", b"%24")
        decoded = _decoded(written)
        forbidding = (decoded,) if decoded == written else (decoded, written)
        if not octets.isascii():  # not a URI; in Google's cases no Allow matches it
            return cls(forbidding, ())
        kept = _of_query(written)
        return cls(forbidding, (decoded,) if decoded == kept else (decoded, kept))


class Wildcard(NamedTuple):
    """A pattern with a star inside: `parts` stand between the stars, `longest` is one of them.

    Searching a part costs up to its length per octet of the path. Parts are searched in successive
    stretches, so the longest bounds their total cost.
    """

    rule: Rule
    longest: bytes
    parts: tuple[bytes, ...]
    anchored: bool


class Patterns:
    """The rules of one kind, ready for comparison. The longest match is wanted."""

    __slots__ = ("_exact", "_lengths", "_prefixes", "_wildcards", "_work")

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._prefixes: dict[bytes, Rule] = {}
        self._exact: dict[bytes, Rule] = {}
        wildcards: list[Wildcard] = []
        for rule in rules:
            for key in rule.keys:
                self._add(rule, key, wildcards)
        wildcards.sort(key=lambda wildcard: -wildcard.rule.octets)
        self._lengths = tuple(sorted(set(map(len, self._prefixes))))
        self._wildcards = tuple(wildcards)
        self._work = 2 * sum(len(wildcard.longest) for wildcard in wildcards)

    @property
    def rules(self) -> list[Rule]:
        """The rules that may decide, in the order of their lines; `Patterns` of them are equal."""
        starred = {wildcard.rule for wildcard in self._wildcards}
        return sorted({*self._prefixes.values(), *self._exact.values(), *starred}, key=_line)

    def longest(self, paths: Iterable[bytes]) -> Rule | None:
        """Return the rule with the most octets that matches one of the spellings."""
        best: Rule | None = None
        for path in paths:
            best = self._starred(path, self._plain(path, best))
        return best

    def _add(self, rule: Rule, key: bytes, wildcards: list[Wildcard]) -> None:
        anchored = key.endswith(b"$")
        bare = key[:-1] if anchored else key
        if bare.endswith(b"*"):  # any end matches
            anchored, bare = False, bare.rstrip(b"*")
        if b"*" in bare:
            first, *others = bare.split(b"*")
            parts = (first, *filter(None, others))
            wildcards.append(Wildcard(rule, max(parts, key=len), parts, anchored))
            return
        plain = self._exact if anchored else self._prefixes
        known = plain.get(bare)
        if known is None or known.octets < rule.octets:
            plain[bare] = rule

    def _plain(self, path: bytes, best: Rule | None) -> Rule | None:
        prefixes = self._prefixes
        for length in self._lengths[: bisect_right(self._lengths, len(path))]:
            found = prefixes.get(path[:length])
            if found is not None and (best is None or found.octets > best.octets):
                best = found
        exact = self._exact.get(path) if self._exact else None
        if exact is not None and (best is None or exact.octets > best.octets):
            best = exact
        return best

    def _starred(self, path: bytes, best: Rule | None) -> Rule | None:
        floor = best.octets if best else 0
        # Sorted by length, so the first match is the longest. If matching would cost too much, a
        # Disallow counts from its first part on, and an Allow is ignored: err on the polite side.
        costly = len(path) * self._work > MAX_WORK
        for wildcard in self._wildcards:
            rule, longest, parts, anchored = wildcard
            if rule.octets <= floor:
                break
            if costly:
                if not rule.allow and path.startswith(parts[0]):
                    return rule
            elif longest in path and fits(parts, path, anchored=anchored):
                return rule
        return best


def _line(rule: Rule) -> int:
    return rule.line


def path_and_query(url: str) -> str:
    """Return the text that rules are compared with: at least `/`, without fragment."""
    authority = None if url.startswith("/") else _AUTHORITY.match(url)
    rest = (url[authority.end() :] if authority else url).partition("#")[0]
    return rest if rest.startswith("/") else f"/{rest}"


def _key(written: bytes) -> bytes:
    """Return a pattern to compare with: only `*` and a `$` at its end are special."""
    return written[:-1].replace(b"$", b"%24") + written[-1:]


def _written(octets: bytes) -> bytes:
    """Percent-encode all but visible ASCII, and decode what URIs never have raw."""
    visible = octets.decode("latin-1").translate(_HIDDEN).encode("ascii")
    upper = _LOWER.sub(lambda found: found[0].upper(), visible)
    return _NEVER_RAW.sub(_octet, upper)


def _decoded(written: bytes) -> bytes:
    """Return the RFC's spelling, without needless escapes."""
    return _of_query(_UNRESERVED.sub(_octet, written))


def _of_query(written: bytes) -> bytes:
    """Decode escapes in a query that mean the same without."""
    path, mark, query = written.partition(b"?")
    return path + mark + _OF_QUERY.sub(_octet, query) if query else written


def _octet(escape: re.Match[bytes]) -> bytes:
    return bytes((int(escape[0][1:], 16),))
