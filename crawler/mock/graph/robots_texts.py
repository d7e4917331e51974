"""The texts of `/robots.txt`, one for each form: the same rules, written in every legal way.

Each is made from the lines of the options and the lines that name sitemaps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

MAX_BYTES = 500 * 1024
"""Octets of a robots.txt that must be read (RFC 9309, 2.5)."""

Lines = tuple[str, ...]
Write = Callable[[Lines, Lines], bytes]

# Paths that nobody links to: where a form needs rules of its own, they are about these.
_OWN = "/robots-own/"

LATIN_1 = f"# Grüße\nDisallow: {_OWN}café # Straße".encode("latin-1")
NUL = b"\0\0: \0\0 # \0"
LONG = b"#" * 65_536 + b"\nUnknown: /" + b"long/" * 13_000


def _joined(lines: Sequence[str], end: str = "\n") -> bytes:
    return "".join(f"{line}{end}" for line in lines).encode()


def plain(lines: Lines, sitemaps: Lines) -> bytes:
    """One line each, as it should be."""
    return _joined((*lines, *sitemaps))


def nothing(lines: Lines, sitemaps: Lines) -> bytes:
    """No line at all."""
    return b""


def ended(end: str) -> Write:
    """Lines with another end."""
    return lambda lines, sitemaps: _joined((*lines, *sitemaps), end)


def no_end(lines: Lines, sitemaps: Lines) -> bytes:
    """The last rule has no line end."""
    return _joined((*sitemaps, *lines))[:-1]


def big(lines: Lines, sitemaps: Lines) -> bytes:
    """The last octet that must be read is the last of the rules; another rule follows."""
    text = b"\n" + _joined((*sitemaps, *lines))[:-1]
    line = b"# " + b"padding " * 12 + b"\n"
    room = MAX_BYTES - len(text)
    padding = line * (room // len(line)) + b"#" * (room % len(line))
    return padding + text + _joined(("", "User-agent: *", f"Disallow: {_OWN}past-the-limit"))


def html(lines: Lines, sitemaps: Lines) -> bytes:
    """A page instead of rules."""
    return _joined(
        (
            "<!DOCTYPE html>",
            '<html><head><title>Page not found</title></head><body style="color: black">',
            '<h1>Page not found</h1><p>Sorry: <a href="/">home</a></p></body></html>',
        )
    )


def letters(lines: Lines, sitemaps: Lines) -> bytes:
    """Keys in any case, spaces and tabs around the colon, comments behind: all of it legal."""
    return _joined(tuple(_odd(number, line) for number, line in enumerate((*lines, *sitemaps))))


def _odd(number: int, line: str) -> str:
    key, colon, value = line.partition(":")
    if not colon or key.lstrip().startswith("#"):
        return line
    key = key.upper() if number % 2 else key.title().swapcase()
    return f" \t{key} :\t {value.strip()}  # {number}"


def grouped(lines: Lines, sitemaps: Lines) -> bytes:
    """Every rule stands in a group of its own; the groups of one agent count as one."""
    agents: list[str] = []
    text: list[str] = []
    naming = False
    for line in lines:
        key = line.partition(":")[0].strip().lower()
        if key == "user-agent":
            agents = [*agents, line] if naming else [line]
        elif key in ("allow", "disallow"):
            text += [*agents, line, "", "User-agent: nobody-in-between", f"Disallow: {_OWN}", ""]
        naming = key == "user-agent" or (naming and key not in ("allow", "disallow"))
    return _joined((*text, *sitemaps))


def wild(lines: Lines, sitemaps: Lines) -> bytes:
    """More patterns, about paths that nobody links to."""
    own = (
        f"Disallow: {_OWN}*/b*c$",
        f"Disallow: {_OWN}%2A",
        f"Disallow: {_OWN}**********d",
        f"Allow: {_OWN}*/b*/open/*c$",
        f"Disallow: {_OWN}a$b",
    )
    return _joined((*lines, *own, *sitemaps))


def between(line: bytes) -> Write:
    """A line of bytes that mean nothing, at the start, after the first line and at the end."""

    def write(lines: Lines, sitemaps: Lines) -> bytes:
        return b"\n".join(
            (line, _joined(lines[:1]) + line, _joined((*lines[1:], *sitemaps)) + line)
        )

    return write


def after(start: bytes) -> Write:
    """Something in front of the first line."""
    return lambda lines, sitemaps: start + plain(lines, sitemaps)


def utf_16(lines: Lines, sitemaps: Lines) -> bytes:
    """Two octets a character."""
    # It has to be UTF-8 (section 2.3); who reads it all the same finds nothing forbidden.
    text = _joined(("\ufeffUser-agent: *", "Allow: /", *sitemaps))
    return text.decode().encode("utf-16-le")


def delayed(lines: Lines, sitemaps: Lines) -> bytes:
    """Asks for a second between requests."""
    return _joined((*lines, "Crawl-delay: 1", *sitemaps))
