"""Read malformed XML on from its first error, so that lists of URLs are not lost.

Takes over from `crawler.formats.xml` where that finds an error, and calls the same handlers. Common
mistakes of authors and programs are read as intended, as browsers read HTML:

- `&` that begins no reference stands for itself, and HTML's names (`&nbsp;`) are known as well as
  XML's; a document's own declarations are not, so that nothing expands;
- an end tag closes what is open in its element; one without a start tag is ignored;
- an element that starts in the wrong place (a `<url>` in another) closes what is in its way;
- a `<` that begins no tag is text, and a control character damages the text around it;
- an item cut by the end of the document is dropped: half a URL is one that nobody wrote.

Each character is read a bounded number of times, at most `MAX_TOKEN` are held, and reading ends
after `MAX_TAGS` tags, whole or not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html.entities import html5
from typing import Final

from crawler.formats.xml import MAX_TOKEN, Characters, End, RefusedXml, Start

MAX_TAGS: Final = 2_000_000
"""Maximum tags, comments and stray `<`; 50,000 URLs with 20 elements each have as many."""

_TOKEN = re.compile(
    r"<(?:!--.*?-->|(?P<section>!\[CDATA\[)|\?.*?\?>|![A-Za-z][^<>]*>"
    r"|(?P<slash>/?)(?P<name>[A-Za-z_:][\w:.\-]*+)"
    r"(?P<rest>(?:[^<>\"']++|\"[^\"<]*+\"|'[^'<]*+')*+|[^<>]*+)>)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"([\w:.\-]++)\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'<>]++))")
_REFERENCE = re.compile(
    r"&(?:#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,31}));", re.ASCII
)
_CONTROLS: Final = "".join(map(chr, {*range(0x20)} - {0x09, 0x0A, 0x0D})) + "\ufffe\uffff"
_CONTROL = re.compile(f"[{_CONTROLS}]")
_LONG: Final = ("<!--", "<?")  # tokens that may contain `<`

Nesting = Callable[[str], int | None]
"""Returns how many elements have to be open where one of this name starts; None for any number."""


class BrokenXml:
    """Calls `start` and `end` as `Xml` does; `depth` elements are open already."""

    def __init__(self, start: Start, end: End, nesting: Nesting, depth: int) -> None:
        self._start, self._end, self._nesting = start, end, nesting
        self._open = [""] * depth  # names; unknown for those opened before
        self._allowed = MAX_TAGS
        self._text = ""
        self._section = False  # within CDATA
        self._listener: Characters | None = None
        self._heard: list[str] = []

    def listen(self, characters: Characters | None) -> None:
        """Call `characters` with text from here on; stop if None."""
        self._listener, self._heard = characters, []

    def feed(self, text: str, last: bool = False) -> str:
        """Read on; return why reading ends, "" while it does not."""
        self._text += text
        try:
            self._text = self._text[self._read(last) :]
        except RefusedXml as refused:
            return str(refused)
        if len(self._text) > MAX_TOKEN:
            return f"a tag or comment longer than {MAX_TOKEN} characters"
        return ""

    def _read(self, last: bool) -> int:
        """Read all complete tokens; return the position after them."""
        text, at = self._text, 0
        while True:
            if self._section:
                end = text.find("]]>", at)
                self._hear(text[at : end if end >= 0 else len(text) - 2].replace("&", "&amp;"))
                if end < 0:
                    return max(at, len(text) - 2)
                self._section, at = False, end + 3
            tag = text.find("<", at)
            self._hear(text[at : tag if tag >= 0 else len(text)])
            if tag < 0:
                return len(text)
            self._allowed -= 1
            if self._allowed < 0:
                raise RefusedXml(f"more than {MAX_TAGS} tags")
            found = _TOKEN.match(text, tag)
            if found is not None:
                self._take(found)
                at = found.end()
            elif text.startswith(_LONG, tag) or text.find("<", tag + 1) < 0:
                return len(text) if last else tag  # it may become a tag
            else:
                self._hear("<")
                at = tag + 1

    def _hear(self, text: str) -> None:
        if self._listener is not None and text:
            self._heard.append(text)

    def _take(self, found: re.Match[str]) -> None:
        name = found["name"]
        if found["section"]:
            self._section = True
        elif name and found["slash"]:
            if name in self._open:
                self._close_to(len(self._open) - 1 - self._open[::-1].index(name))
        elif name:
            self._begin(name, found["rest"])

    def _begin(self, name: str, rest: str) -> None:
        depth = self._nesting(name)
        if depth is not None:
            self._close_to(depth)
            while len(self._open) < depth:  # a root or a channel that is missing
                self._push("", {})
        self._push(
            name,
            {
                each[1]: mended(each[2] or each[3] or each[4] or "")
                for each in _ATTRIBUTE.finditer(rest)
            },
        )
        if rest.endswith("/"):
            self._close_to(len(self._open) - 1)

    def _push(self, name: str, attributes: dict[str, str]) -> None:
        self._open.append(name)
        self._start(name, attributes)

    def _close_to(self, depth: int) -> None:
        while len(self._open) > depth:
            if self._listener is not None:
                self._listener(mended("".join(self._heard)))
                self._heard = []
            self._end(self._open.pop())


def mended(text: str) -> str:
    """Return `text` with references resolved and control characters replaced by U+FFFD."""
    if "&" in text:
        text = _REFERENCE.sub(_referred, text)
    return _CONTROL.sub("\ufffd", text.strip(f"{_CONTROLS}\t\n\r "))


def _referred(reference: re.Match[str]) -> str:
    decimal, hexadecimal, name = reference.groups()
    if name:
        return html5.get(f"{name};", reference[0])
    number = int(decimal) if decimal else int(hexadecimal, 16)
    surrogate = 0xD800 <= number <= 0xDFFF
    return chr(number) if 0 < number <= 0x10FFFF and not surrogate else "\ufffd"
