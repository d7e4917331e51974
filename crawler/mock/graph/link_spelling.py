"""The many spellings of a link that a client has to read as one URL.

By the WHATWG URL standard every spelling means the same absolute URL, and by the HTML standard
every form of the attribute means the same text. URLs that the standard distinguishes are never
mixed: `%c3` and `%C3` differ, and so do `/a` and `/a/`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import unquote

import ada_url

_UNQUOTABLE = re.compile(r"[\s\"'=<>`]")
_WIDE_DOT = "。"  # UTS 46 maps it to a full stop


class Link(NamedTuple):
    """A link to write: from a page (its base URL's origin and path) to a canonical URL."""

    base: str
    base_path: str
    origin: str
    path: str

    @property
    def local(self) -> bool:
        """True if it stays on its host."""
        return self.base == self.origin

    @property
    def shortest(self) -> str:
        """The path on the same host, otherwise the whole URL."""
        return self.path if self.local else self.whole

    @property
    def whole(self) -> str:
        """The URL."""
        return self.origin + self.path

    @property
    def authority(self) -> str:
        """Host and port."""
        return self.origin.partition("//")[2]


def relative(link: Link) -> str:
    """Return the shortest relative form: `x`, `../x`, `./` and the like."""
    if not link.local:
        return f"//{link.authority}{link.path}"
    here, there = link.base_path.split("/")[1:-1], link.path.split("/")[1:]
    common = 0
    while common < min(len(here), len(there) - 1) and here[common] == there[common]:
        common += 1
    rest = "/".join(there[common:])
    up = "../" * (len(here) - common)
    return up + rest if up or rest else "./"


def _dotted(link: Link) -> str:
    return f"./{relative(link)}" if link.local else f"{link.origin}/./x/..{link.path}"


def _with_port(link: Link) -> str:
    """Add the default port, or a leading zero to another port."""
    scheme, _, authority = link.origin.partition("://")
    host, colon, port = authority.rpartition(":")
    if colon and port.isdigit():
        return f"{scheme}://{host}:0{port}{link.path}"
    return f"{link.origin}:{443 if scheme == 'https' else 80}{link.path}"


def _international(link: Link) -> str:
    """Write the host beyond ASCII: a Punycode name decoded, another with wide full stops."""
    if "[" in link.authority:
        return link.whole
    scheme, _, authority = link.origin.partition("://")
    name, colon, port = authority.partition(":")
    if "xn--" in name:
        name = ada_url.idna_to_unicode(name)
    return f"{scheme}://{name.replace('.', _WIDE_DOT)}{colon}{port}{link.path}"


def _tabbed(link: Link) -> str:
    middle = len(link.shortest) // 2
    return f"{link.shortest[:middle]}\t\n{link.shortest[middle:]}"


SPELLINGS: Sequence[Callable[[Link], str]] = (
    lambda link: link.shortest,
    lambda link: link.shortest,
    lambda link: link.whole,
    relative,
    relative,
    _dotted,
    lambda link: f"{'' if link.local else link.origin}/x/%2E%2e{link.path}",
    lambda link: f"//{link.authority}{link.path}",
    lambda link: f"{link.shortest}#part-2",
    lambda link: f"{relative(link)}#",
    lambda link: unquote(link.shortest),  # characters beyond ASCII are not escaped
    lambda link: unquote(link.whole),
    lambda link: f"{link.origin.upper()}{link.path}",
    _with_port,
    _international,
    lambda link: f" \n{link.shortest}\t ",
    _tabbed,
    lambda link: link.shortest.replace("/", "\\"),
)
"""All mean the link's canonical URL."""


def written(link: Link, drawn: int) -> str:
    """Return the attribute `href` with name and quotes, chosen by a drawn number of 32 bits."""
    value = SPELLINGS[drawn % len(SPELLINGS)](link).replace("&", "&amp;")
    match drawn >> 8 & 15:
        case 0 | 1 if not _UNQUOTABLE.search(value):
            return f"href={value}"
        case 2 if "'" not in value:
            return f"href='{value}'"
        case 3:
            return f'HREF = "{value}"'
        case 4:
            return f'href="{value.replace("/", "&#x2F;")}"'
        case 5:
            return f'href="{value.replace(".", "&period;").replace("-", "&#45;")}"'
        case _:
            return f'href="{value}"'
