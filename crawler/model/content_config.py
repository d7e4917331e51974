"""The options of what is extracted from a page's content: its text and selected fields."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from crawler.model.choices import TextEngine
from crawler.model.option import OptionError, Options, option
from crawler.model.selector import Selector

_option = partial(option, "Content")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentConfig(Options):
    """Main text, its language and hash, and fields by selector; nothing by default."""

    text: bool = _option(False, "Record the main text of each page.")
    markdown: bool = _option(False, "Record the main text as Markdown.")
    text_engine: TextEngine = _option(
        "fast", "Extractor of the main text; best costs 20 times more, needs the extra trafilatura."
    )
    detect_language: bool = _option(False, "Record the language that the main text is written in.")
    text_hash: bool = _option(False, "Record a hash of the main text, to detect changes.")
    select: tuple[str, ...] = _option(
        (),
        "Field by CSS selector or XPath, as price=css:.price or sku=xpath://@data-sku; repeatable.",
        metavar="NAME=SELECTOR",
    )

    def __post_init__(self) -> None:
        self.settle()
        names: set[str] = set()
        for selector in self.selectors:
            if selector.name in names:
                raise OptionError("select", f"{selector.name} is there twice; name another")
            names.add(selector.name)

    @property
    def selectors(self) -> tuple[Selector, ...]:
        """The fields of `select`; raises `OptionError` for one that is malformed."""
        try:
            return tuple(map(Selector.read, self.select))
        except ValueError as error:
            raise OptionError("select", str(error)) from error

    @property
    def reads_text(self) -> bool:
        """True if any field needs the main text."""
        return self.text or self.markdown or self.detect_language or self.text_hash

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the record's fields that these options add."""
        wanted = {
            "text": self.text,
            "markdown": self.markdown,
            "text_language": self.detect_language,
            "text_hash": self.text_hash,
            "selected": bool(self.select),
        }
        return tuple(name for name, asked in wanted.items() if asked)


NO_CONTENT: Final = ContentConfig()
"""Nothing is asked for."""
