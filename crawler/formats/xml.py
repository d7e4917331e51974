"""Read untrusted XML piece by piece in bounded memory and linear time.

The standard library's expat does the reading, with these restrictions:

- declarations: a document type with anything inside ends the reading before its first declaration,
  so there are no entities but XML's five (no "billion laughs", no quadratic blow-up), no default
  attributes, and nothing external is ever loaded;
- large tokens: expat before 2.6 rescans a tag or a comment with every piece (CVE-2023-52425);
- many names: expat and pyexpat keep every distinct name of an element or an attribute for good.

The caller limits the depth. Expat's own protection against amplification is added where present.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from xml.parsers import expat

MAX_DEPTH: Final = 100
"""Maximum depth of elements; feeds with whole pages inside have some tens."""

MAX_TOKEN: Final = 262_144
"""Maximum bytes of a tag, comment or instruction; text and CDATA have no limit here."""

MAX_NAMES: Final = 2_000
"""Maximum distinct names of elements and attributes; a feed with XHTML has about a hundred."""

Start = Callable[[str, dict[str, str]], None]
End = Callable[[str], None]
Characters = Callable[[str], None]

MAX_HELD: Final = 1_048_576
"""Maximum bytes of an item held to be read again."""


class RefusedXml(Exception):
    """The reason why reading ends; raised by handlers and caught in `Xml.feed`."""


class Misplaced(Exception):
    """A misplaced element; raised by handlers, and treated as broken XML."""


class Xml:
    """Calls `start` and `end` for each element, with its name as written, prefix included.

    Namespaces are not resolved: an undeclared prefix would be an error, and is common.
    """

    def __init__(self, start: Start, end: End) -> None:
        self._fed = 0
        self._held = b""  # the last bytes that were fed
        self._mark: int | None = None
        self.broken = False  # after a problem: broken, not just refused
        self._names: dict[str, str] = {}
        self._parser = expat.ParserCreate("utf-8", None, self._names)
        self._parser.buffer_text = True
        self._parser.specified_attributes = True
        self._parser.StartDoctypeDeclHandler = _doctype
        self._parser.StartElementHandler = start
        self._parser.EndElementHandler = end

    def listen(self, characters: Characters | None) -> None:
        """Call `characters` with text from here on; stop if None."""
        self._parser.CharacterDataHandler = characters

    def mark(self) -> None:
        """Hold the item that begins with the current tag, until `release`."""
        self._mark = self._parser.CurrentByteIndex

    @property
    def marked(self) -> bool:
        """Tell whether `rest` begins with the marked item."""
        return self._mark is not None

    def release(self) -> None:
        """Let go of the current item."""
        self._mark = None

    def rest(self) -> str:
        """Return the text from the marked place, or else from the error."""
        at = self._parser.ErrorByteIndex if self._mark is None else self._mark
        return self._held[max(0, at - self._fed + len(self._held)) :].decode("utf-8", "replace")

    def feed(self, text: str, last: bool = False) -> str:
        """Read on; return the problem, "" for none. After a problem nothing may follow."""
        data = text.encode("utf-8", "replace")
        self._held += data
        self._fed += len(data)
        try:
            self._parser.Parse(data, last)
        except expat.ExpatError as error:
            self.broken = True
            return f"broken XML in line {error.lineno}: {expat.ErrorString(error.code)}"
        except Misplaced as misplaced:
            self.broken = True
            return f"broken XML in line {self._parser.CurrentLineNumber}: {misplaced}"
        except RefusedXml as refused:
            return str(refused)
        self._let_go()
        return self._excess()

    def _let_go(self) -> None:
        """Hold the unread bytes, and the marked item if it is not too long."""
        if self._mark is not None and self._fed - self._mark > MAX_HELD:
            self._mark = None
        at = self._parser.CurrentByteIndex if self._mark is None else self._mark
        self._held = self._held[max(0, len(self._held) - self._fed + at) :]

    def _excess(self) -> str:
        if self._fed - self._parser.CurrentByteIndex > MAX_TOKEN:
            return f"a tag or comment longer than {MAX_TOKEN} bytes"
        if len(self._names) > MAX_NAMES:
            return f"more than {MAX_NAMES} names of elements and attributes"
        return ""


def _doctype(name: str, system: str | None, public: str | None, internal: int) -> None:
    if internal:
        raise RefusedXml("declarations in the document type, which are not read")
