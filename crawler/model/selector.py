"""One field of `--select`: a name and a CSS selector or an XPath expression."""

from __future__ import annotations

import re
from typing import NamedTuple, Self

_FORM = re.compile(
    r"\s*(?P<name>[\w-]+)\s*=\s*(?P<language>css|xpath):(?P<query>.*\S)\s*", re.DOTALL
)
_WANTED = re.compile(
    r"(?P<query>.*?)::(?:(?P<part>text|html)|attr\(\s*(?P<attribute>[^()\s]+)\s*\))", re.DOTALL
)


class Selector(NamedTuple):
    """`query` in `language` (css or xpath), whose values become the field `name`.

    part: `text`, `html`, or `attr` with the name of an `attribute`; XPath says itself what it
    returns, and its elements count as their text.
    """

    name: str
    language: str
    query: str
    part: str = "text"
    attribute: str = ""

    @classmethod
    def read(cls, text: str) -> Self:
        """Read `NAME=css:QUERY[::text|::html|::attr(NAME)]` or `NAME=xpath:QUERY`; ValueError."""
        form = _FORM.fullmatch(text)
        if form is None:
            raise ValueError(
                f"expected NAME=css:SELECTOR or NAME=xpath:EXPRESSION, got {text!r}; names are "
                "letters, digits, _ and -"
            )
        name, language, query = form["name"], form["language"], form["query"].strip()
        wanted = _WANTED.fullmatch(query) if language == "css" else None
        if wanted is None:
            return cls(name, language, query)
        attribute = wanted["attribute"] or ""
        return cls(name, language, wanted["query"], wanted["part"] or "attr", attribute)
