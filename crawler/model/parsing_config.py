"""The options of parsing: where it runs, its limits and the parser."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from crawler.model.choices import Html, Parse
from crawler.model.errors import ConfigurationError
from crawler.model.option import OptionError, Options, option
from crawler.model.units import MEGABYTES, SECONDS

_option = partial(option, "Parsing")

_DOTTED = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_PARSER = re.compile(rf"({_DOTTED}|[^\x00-\x1f]+\.py):{_DOTTED}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsingConfig(Options):
    """Executor, its limits, HTML library and parser."""

    parse: Parse = _option(
        "auto", "Where pages are parsed; auto measures and chooses.", common=True
    )
    parse_workers: int = _option(0, "Parser workers (0: one per core).", least=0, most=512)
    parse_timeout: float = _option(
        10.0, "Seconds for parsing one page.", least=0.01, most=3_600, unit=SECONDS
    )
    parse_memory: int = _option(
        1_024,
        "Memory limit of a parser process, in MB (0: no limit).",
        least=0,
        most=10**6,
        unit=MEGABYTES,
    )
    parse_batch: int = _option(16, "Maximum pages handed to a worker at once.", least=1, most=1_000)
    parse_linger: float = _option(
        0.002,
        "Maximum seconds that a page waits for its batch to fill.",
        least=0,
        most=1,
        unit=SECONDS,
    )
    parser: str = _option(
        "", "Your parser: a function from response to dict.", metavar="MODULE:FUNCTION", common=True
    )
    extract: tuple[str, ...] = _option(
        (), "Installed extractor to run on each page; repeatable.", metavar="NAME"
    )
    html: Html = _option(
        "frostwork", "HTML library: frostwork is faster; lexbor needs the extra of that name."
    )
    error_pages: bool = _option(False, "Parse the bodies of 4xx and 5xx responses as well.")

    def __post_init__(self) -> None:
        self.settle()
        if self.parser and not _PARSER.fullmatch(self.parser):
            raise OptionError(
                "parser",
                f"expected package.module:function or file.py:function, got {self.parser!r}",
            )
        if self.parser and self.parse == "none":
            raise ConfigurationError(
                "parser and parse: your own parser needs parse other than none"
            )
        if self.extract and self.parse == "none":
            raise ConfigurationError("extract and parse: extractors need parse other than none")
        object.__setattr__(self, "extract", tuple(dict.fromkeys(self.extract)))

    @property
    def custom(self) -> str:
        """The names of the user's own code that reads the pages; "" if none."""
        return ", ".join(each for each in (self.parser, *self.extract) if each)
