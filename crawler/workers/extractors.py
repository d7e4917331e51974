"""Extractors: functions that other distributions offer under a name, for `--extract`.

A distribution offers one by an entry point of the group `crawler.extractors`:

    [project.entry-points."crawler.extractors"]
    prices = "shop_extractors:prices"

It is a function from `crawler.Response` to anything that JSON can say, as a parser is.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points

from crawler.model.errors import ConfigurationError
from crawler.model.option import closest

GROUP = "crawler.extractors"

Extractors = tuple[tuple[str, str], ...]
"""Names, and `module:function` for each."""


def installed() -> dict[str, str]:
    """Return the extractors that are installed, as `module:function` by name."""
    return {point.name: point.value for point in entry_points(group=GROUP)}


def located(names: Sequence[str]) -> Extractors:
    """Return the extractors of these names; raises `ConfigurationError` for an unknown one."""
    if not names:
        return ()
    known = installed()
    for name in names:
        if name not in known:
            hint = closest(name, known) or f"; there are {', '.join(sorted(known)) or 'none'}"
            raise ConfigurationError(f"extract: no extractor {name!r} is installed{hint}")
    return tuple((name, known[name].partition("[")[0].strip()) for name in names)
