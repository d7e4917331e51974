"""The forms of a page, as far as filling one in needs them (HTML standard, 4.10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urlencode

_PRESSED: Final = frozenset({"submit", "image", "button", "reset", "file"})
_TICKED: Final = frozenset({"checkbox", "radio"})


@dataclass(slots=True)
class PageForm:
    """A form: where it is sent, and what its fields hold before anybody fills them in."""

    action: str = ""
    post: bool = False
    names: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)

    def filled(self, fields: Mapping[str, str]) -> str:
        """Return its fields as `application/x-www-form-urlencoded`, with these values."""
        return urlencode({**self.values, **fields})


class _Forms(HTMLParser):
    """Collects the forms of a page; fields outside of a form are of no use."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[PageForm] = []
        self._open = False
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            post = found.get("method", "").lower() == "post"
            self.forms.append(PageForm(action=found.get("action", ""), post=post))
            self._open = True
        elif self._open and tag in ("input", "textarea", "select"):
            self._field(tag, found)
        elif self._open and tag == "option" and self._select:
            values = self.forms[-1].values
            if "selected" in found or self._select not in values:
                values[self._select] = found.get("value", "")

    def _field(self, tag: str, found: dict[str, str]) -> None:
        name, kind = found.get("name", ""), found.get("type", "text").lower()
        self._select = name if tag == "select" else ""
        if not name or (tag == "input" and kind in _PRESSED):
            return
        form = self.forms[-1]
        form.names.append(name)
        if tag == "input" and (kind not in _TICKED or "checked" in found):
            form.values[name] = found.get("value", "on" if kind in _TICKED else "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False
        elif tag == "select":
            self._select = ""


def forms(text: str) -> list[PageForm]:
    """Return the forms of a page, in order."""
    reader = _Forms()
    reader.feed(text)
    return reader.forms
