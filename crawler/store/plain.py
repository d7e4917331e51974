"""Plain lists: one URL per line.

The URL ends at the first tab; further columns follow. A blank inside the URL is refused: it may
begin another column or be part of the path (browsers write it as %20, curl refuses it). A blank and
a `#` begin a comment, as in a hosts file. Angle brackets or quotes around the URL are not part of
it (RFC 3986, appendix C).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from crawler.model.url import Seed
from crawler.store.entry import Entry, SeedOrigin, refused, trimmed

_BLANK = re.compile(r"[^\S\x85\u2028\u2029]")  # as a person sees it; not what ends lines elsewhere
_COMMENT = re.compile(r"\s+#")
_AROUND = ("<>", '""', "''")
_USUAL = bytes(each for each in range(0x21, 0x7F) if each not in b"#<\"'")
"""Characters that mean nothing else, wherever they stand in a line."""


def plain(blocks: Iterator[list[str]], origin: SeedOrigin | None) -> Iterator[list[Entry]]:
    """Yield the entries of the lines in `blocks`, without blank lines and comments."""
    if origin is None:
        for block in blocks:
            usual = _are_usual(block)
            yield list(block) if usual else [e for e in map(_entry, block) if e is not None]
        return
    origin.numbers()
    number = 0
    for block in blocks:
        yield list(_told(block, number, origin))
        number += len(block)


def _are_usual(block: list[str]) -> bool:
    """Tell whether lines are entries as they stand: a few calls for all of them together."""
    text = "".join(block)
    return text.isascii() and all(block) and not text.encode().translate(None, _USUAL)


def _told(block: list[str], number: int, origin: SeedOrigin) -> Iterator[Entry]:
    for line in block:
        number += 1
        if (entry := _entry(line)) is not None:
            cells = [cell.strip() for cell in trimmed(line).split("\t")]
            yield origin.told(entry, number, origin.numbered(cells, 0))


def _entry(line: str) -> str | Seed | None:
    text = line.strip()
    if not text or text[0] == "#":
        return None
    if text.isascii() and text.isprintable() and " " not in text and text[0] not in "<\"'":
        return line  # nearly all of them
    return _dissected(line)


def _dissected(line: str) -> str | Seed | None:
    text, tab, _ = trimmed(line).partition("\t")
    if (comment := _COMMENT.search(text)) is not None:
        text = text[: comment.start()]
    text = _bare(text.rstrip())
    if not text or text[0] == "#":
        return None
    if _BLANK.search(text):
        return refused(line, "a blank inside; write it as %20, or put a tab before another column")
    return text if tab else type(line)(text)  # what is too long stays so, but for its columns


def _bare(text: str) -> str:
    if len(text) > 2 and text[0] + text[-1] in _AROUND:
        return text[1:-1].strip()
    return text
