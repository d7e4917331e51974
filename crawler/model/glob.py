"""Globs for URLs; the only special character is `*`, any run of characters.

    https://example.com/docs/*      the whole URL
    */print/*                       any URL with this in it
    /archive/*                      path and query, on any host
    *.pdf

`?` and `[` mean themselves: URLs are full of them. A glob matches the whole URL, and case counts.
Characters that a URL never holds (a host in capitals or beyond ASCII, a space, `{`) are converted
as URLs convert them; equivalent spellings match alike.

Regular expressions are not offered: the text to search comes from strangers, and Python's engine
backtracks. `(a+)+b` never ends on 40 letters, and even `.*a.*b.*c` takes cubic time. The first
place where a glob's piece fits is always right, so matching never goes back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import AnyStr
from urllib.parse import quote

from crawler.model.errors import ConfigurationError
from crawler.model.url import Url, parse, respelled

MAX_LENGTH = 2_048
# Characters that WHATWG URL leaves raw somewhere; `%` too, so that escapes stay escapes.
_AS_IT_IS = "!#$%&'()*+,/:;=?@[]^_`{|}~"
# URL standards differ about: `"`, `'`, `<`, `>`, `\\`, `^`, `` ` ``, `{`, `|` and `}`.
_EITHER_WAY = re.compile(r"%(?:2[27]|3[CE]|5[CE]|60|7[BCD])")


class Globs:
    """A set of globs, of which one has to match. Raises `ConfigurationError` for an invalid one."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = tuple(patterns)
        globs = [_read(pattern) for pattern in self._patterns]
        self._urls = [glob.split("*") for glob in globs if not glob.startswith("/")]
        self._paths = [glob.split("*") for glob in globs if glob.startswith("/")]

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def __repr__(self) -> str:
        return f"Globs({', '.join(map(repr, self._patterns))})"

    def match(self, url: Url) -> bool:
        """Tell whether one of the globs matches; linear in the URL's length."""
        href = _spelled(url.href) if "%" in url.href else url.href
        for pieces in self._urls:
            if _matches(pieces, href):
                return True
        if not self._paths:
            return False
        path = href[href.index("/", 8) :]
        return any(_matches(pieces, path) for pieces in self._paths)


def fits(pieces: Sequence[AnyStr], text: AnyStr, *, anchored: bool = True) -> bool:
    """Tell whether `text` begins with the first of several pieces, and has the others in order.

    anchored: the last one ends it. Linear in the text, as the leftmost place of a piece will do.
    """
    first, last = pieces[0], pieces[-1]
    if not text.startswith(first):
        return False
    at = len(first)
    for piece in pieces[1:-1]:
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    if anchored:
        return len(text) - len(last) >= at and text.endswith(last)
    return text.find(last, at) >= 0


def _matches(pieces: list[str], text: str) -> bool:
    return text == pieces[0] if len(pieces) == 1 else fits(pieces, text)


def _read(pattern: str) -> str:
    if len(pattern) > MAX_LENGTH:
        raise ConfigurationError(f"pattern {pattern[:40]!r}...: longer than {MAX_LENGTH}")
    if not pattern.startswith(("*", "/", "http")):
        raise ConfigurationError(
            f"pattern {pattern!r}: would match no URL; begin it with '*', '/' or 'https://'"
        )
    return _spelled(quote(_with_host(pattern), safe=_AS_IT_IS, errors="replace"))


def _spelled(text: str) -> str:
    """Return the spelling of `text` in which both sides are compared."""
    return _EITHER_WAY.sub(lambda escape: chr(int(escape[0][1:], 16)), respelled(text))


def _with_host(pattern: str) -> str:
    """Return the pattern with its host, if it names a whole one, in the form of a URL's."""
    scheme, mark, rest = pattern.partition("://")
    authority, slash, path = rest.partition("/")
    if "*" in scheme or not mark:
        return pattern
    if "*" in authority:
        return f"{scheme}://{authority.lower()}{slash}{path}"
    url = parse(f"{scheme}://{authority}")
    if scheme not in ("http", "https") or not isinstance(url, Url):
        raise ConfigurationError(f"pattern {pattern!r}: no http or https URL begins like this")
    return f"{url.href[:-1]}{slash}{path}"
