"""From the `href`s of a page to the URLs it links to, exactly as the WHATWG URL standard has it.

A page of documentation has some 680 hrefs and 60 pages behind them, so fragments and repeats go
first, by text alone. Of what is left most is plain: `name.html`, `../library/os.html`, `/a/b?c=d`,
`https://example.com/a`. Where every character is one that the standard copies, no segment begins
with a dot and the host is plain lower-case ASCII with an alphabetic end, the result is the text
behind the right prefix of the base, and a regular expression knows it for a third of the price.
Everything else (dots, escapes, backslashes, spaces, punycode, ports, `//host`, `?query`) goes
through ada. A property test holds both ways equal.

An href that is only a fragment is a link to the page itself, or to its `<base>`, as any other.
Other schemes than http and https are dropped, and so is what is no URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import ada_url

_PATH: Final = r"(?:[\w-][\w.~-]*/)*(?:[\w-][\w.~-]*)?(?:\?[\w.~!$&()*+,;=@/?:%-]*)?"
_RELATIVE = re.compile(rf"(?=[\w/.-])(?:((?:\.\./)+)|(/))?{_PATH}", re.ASCII)
_ABSOLUTE = re.compile(rf"https?://(?:(?!xn--)[a-z0-9_-]+\.)+(?!xn--)[a-z]{{2,}}/{_PATH}", re.ASCII)
_NO_PAGES: Final = ("javascript:", "mailto:", "tel:", "data:")
_PAGES: Final = ("https://", "http://")


def absolute(hrefs: Iterable[str], base: str) -> list[str]:
    """The http(s) URLs behind `hrefs`, without fragments and repeats, in order of appearance.

    `base` is an absolute http(s) URL, serialised. Never raises for any href.
    """
    found: dict[str | None, None] = {}
    hrefs = list(hrefs)
    parents = _parents(base)
    for href in dict.fromkeys([href.partition("#")[0] for href in hrefs]):
        plain = _RELATIVE.fullmatch(href)
        if plain is not None:
            found[_plain(href, plain, parents)] = None
        elif _ABSOLUTE.fullmatch(href) is not None:
            found[href] = None
        elif href[-1:] > " " or not href:
            found[join(href, base)] = None
        else:
            return _exactly(hrefs, base)
    found.pop(None, None)
    return [link for link in found if link is not None]


def join(href: str, base: str) -> str | None:
    """The http(s) URL of `href` against `base` by WHATWG URL, without fragment, or None."""
    if href.startswith(_NO_PAGES):
        return None
    try:
        url = ada_url.join_url(base, href)
    except ValueError:
        scalars = href.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return None if scalars == href else join(scalars, base)  # there was a lone surrogate
    return url.partition("#")[0] if url.startswith(_PAGES) else None


def _plain(href: str, found: re.Match[str], parents: list[str]) -> str:
    last = found.lastindex
    if last is None:
        return parents[-1] + href
    if last == 2:
        return parents[0] + href[1:]
    up = found.end(1)
    return parents[max(0, len(parents) - 1 - up // 3)] + href[up:]


def _exactly(hrefs: list[str], base: str) -> list[str]:
    # A space at the end is stripped, but before a fragment it belongs to the path: no short cut.
    pages = dict.fromkeys(join(href, base) for href in dict.fromkeys(hrefs))
    return [url for url in pages if url is not None]


def _parents(base: str) -> list[str]:
    """The directories above `base`, each with its slash: the origin's root first, its own last."""
    path = base.partition("#")[0].partition("?")[0]
    at = path.index("/", path.index("//") + 2)
    parents = []
    while at >= 0:
        parents.append(path[: at + 1])
        at = path.find("/", at + 1)
    return parents
