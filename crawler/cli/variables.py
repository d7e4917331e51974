"""Environment variables that start with an option's prefix and set no option: probably misspelt."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from crawler.cli.spelling import Spelling

_PREFIX = "CRAWLER_"
_CRAWL = "crawler.cli.crawl_spelling:CRAWL"

# Where the options of the other commands stand. Modules are imported only if a variable needs them.
_SPELLINGS = {
    "CRAWLER_MOCK_": "crawler.cli.mock.mock_web:MOCK",
    "CRAWLER_LOAD_": "crawler.cli.load.load_session:LOAD",
    "CRAWLER_COMPARE_": "crawler.cli.compare.compare_spelling:COMPARE",
}


def unknown(environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Yield a line for each variable that starts with `CRAWLER_` and sets no option."""
    for name in sorted(environment):
        if not name.upper().startswith(_PREFIX) or not environment[name]:
            continue
        known = list(_known(name.upper()))
        if known and name not in known:
            near = get_close_matches(name.upper(), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield f"{name} is not the variable of an option and is ignored{hint}"


def _known(name: str) -> Iterator[str]:
    """Yield the variables of the command that `name` belongs to; none if it is not installed."""
    place = next((place for prefix, place in _SPELLINGS.items() if name.startswith(prefix)), None)
    module, _, attribute = (place or _CRAWL).partition(":")
    try:
        spelling: Spelling[Any] = getattr(import_module(module), attribute)
    except ImportError:
        return
    yield from _variables(spelling)
    if place is None:
        yield from (prefix.rstrip("_") for prefix in _SPELLINGS)  # nearly one of another command


def _variables(spelling: Spelling[Any]) -> Iterable[str]:
    return (spelling.variable(name) for name in spelling.options)
