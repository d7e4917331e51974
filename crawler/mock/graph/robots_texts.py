"""The texts of `/robots.txt`: the same rules, written in every legal way.

Each is made from the lines of the options and the lines that name sitemaps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

MAX_BYTES = 500 * 1024
"""Octets of a robots.txt that must be read (RFC 9309, 2.5)."""

Lines = tuple[str, ...]
Write = Callable[[Lines, Lines], bytes]

# Unlinked paths, for further rules of a form.
_OWN = "/robots-own/"

LATIN_1 = f"# Grüße\nDisallow: {_OWN}café # Straße".encode("latin-1")
NUL = b"\0\0: \0\0 # \0"
LONG = b"#" * 65_536 + b"\nUnknown: /" + b"long/" * 13_000


def _joined(lines: Sequence[str], end: str = "\n") -> bytes:
    return "".join(f"{line}{end}" for line in lines).encode()


def plain(lines: Lines, sitemaps: Lines) -> bytes:
    """Return one rule per line."""
    return _joined((*lines, *sitemaps))


def ended(end: str) -> Write:
    """Return a writer of lines with another end."""
    return lambda lines, sitemaps: _joined((*lines, *sitemaps), end)


def big(lines: Lines, sitemaps: Lines) -> bytes:
    """Return a text whose rules end with the last octet that must be read; another rule follows."""
    text = b"\n" + _joined((*sitemaps, *lines))[:-1]
    line = b"# " + b"padding " * 12 + b"\n"
    room = MAX_BYTES - len(text)
    padding = line * (room // len(line)) + b"#" * (room % len(line))
    return padding + text + _joined(("", "User-agent: *", f"Disallow: {_OWN}past-the-limit"))


def html(lines: Lines, sitemaps: Lines) -> bytes:
    """Return an HTML page instead of rules."""
    return _joined(
        (
            "<!DOCTYPE html>",
            '<html><head><title>Page not found</title></head><body style="color: black">',
            '<h1>Page not found</h1><p>Sorry: <a href="/">home</a></p></body></html>',
        )
    )


def letters(lines: Lines, sitemaps: Lines) -> bytes:
    """Return keys in any case, blanks around the colon, and comments: all of it legal."""
    return _joined(tuple(_odd(number, line) for number, line in enumerate((*lines, *sitemaps))))


def _odd(number: int, line: str) -> str:
    key, colon, value = line.partition(":")
    if not colon or key.lstrip().startswith("#"):
        return line
    key = key.upper() if number % 2 else key.title().swapcase()
    return f" \t{key} :\t {value.strip()}  # {number}"


def grouped(lines: Lines, sitemaps: Lines) -> bytes:
    """Return every rule in its own group; the groups of one agent count as one."""
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
    """Return further patterns for unlinked paths."""
    own = (
        f"Disallow: {_OWN}*/b*c$",
        f"Disallow: {_OWN}%2A",
        f"Disallow: {_OWN}**********d",
        f"Allow: {_OWN}*/b*/open/*c$",
        f"Disallow: {_OWN}a$b",
    )
    return _joined((*lines, *own, *sitemaps))


def between(line: bytes) -> Write:
    """Return a writer of meaningless bytes at the start, after the first line and at the end."""

    def write(lines: Lines, sitemaps: Lines) -> bytes:
        return b"\n".join(
            (line, _joined(lines[:1]) + line, _joined((*lines[1:], *sitemaps)) + line)
        )

    return write


def utf_16(lines: Lines, sitemaps: Lines) -> bytes:
    """Return a text in UTF-16."""
    # It must be UTF-8 (section 2.3); a client that reads UTF-16, too, finds nothing forbidden.
    text = _joined(("\ufeffUser-agent: *", "Allow: /", *sitemaps))
    return text.decode().encode("utf-16-le")
