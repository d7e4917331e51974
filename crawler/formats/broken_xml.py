"""XML that no parser may read on in, read on: for lists of URLs that are better had than refused.

Takes over from `crawler.formats.xml` where that finds an error, and calls the same handlers.
What authors and their programs get wrong is read as it was meant, as HTML is read by browsers:

- `&` that begins no reference stands for itself, and HTML's names (`&nbsp;`) are known beside
  XML's; what a document declares itself is not, so that nothing grows;
- an end tag closes what is open in its element; one that closes nothing is passed over;
- an element that starts where it cannot be (a `<url>` in another) closes what is in its way;
- a `<` that begins no tag is text, and a control character damages the text that it stands in;
- what the end of the document cuts is not told of: half a URL is one that nobody wrote.

Every character is looked at a bounded number of times, no more than `MAX_TOKEN` are held, and after
`MAX_TAGS` tags, whole or not, reading ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html.entities import html5
from typing import Final

from crawler.formats.xml import MAX_TOKEN, Characters, End, RefusedXml, Start

MAX_TAGS: Final = 2_000_000
"""Tags, comments and stray `<`: 3 s at most. 50,000 URLs with 20 elements each have as many."""

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
_LONG: Final = ("<!--", "<?")  # what may have a `<` inside

Nesting = Callable[[str], int | None]
"""How many elements have to be open where an element of this name starts; None where any may."""


class BrokenXml:
    """Calls `start` and `end` as `Xml` does; `depth` elements are open already."""

    __slots__ = (
        "_allowed",
        "_end",
        "_heard",
        "_listener",
        "_nesting",
        "_open",
        "_section",
        "_start",
        "_text",
    )

    def __init__(self, start: Start, end: End, nesting: Nesting, depth: int) -> None:
        self._start, self._end, self._nesting = start, end, nesting
        self._open = [""] * depth  # names; of what was open before none is known
        self._allowed = MAX_TAGS
        self._text = ""
        self._section = False  # within CDATA
        self._listener: Characters | None = None
        self._heard: list[str] = []

    def listen(self, characters: Characters | None) -> None:
        """Call `characters` with text from here on; None for no more."""
        self._listener, self._heard = characters, []

    def feed(self, text: str, last: bool = False) -> str:
        """Read on; returns why reading ends, "" while it does not."""
        self._text += text
        try:
            self._text = self._text[self._read(last) :]
        except RefusedXml as refused:
            return str(refused)
        if len(self._text) > MAX_TOKEN:
            return f"a tag or comment longer than {MAX_TOKEN} characters"
        return ""

    def _read(self, last: bool) -> int:
        """Read what is whole; returns up to where."""
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
                return len(text) if last else tag  # it may become one
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
    """`text` with its references resolved; a control character inside becomes U+FFFD."""
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
