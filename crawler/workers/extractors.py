"""Find extractors: functions that installed distributions provide by name, for `--extract`.

A distribution registers one as an entry point in the group `crawler.extractors`:

    [project.entry-points."crawler.extractors"]
    prices = "shop_extractors:prices"

It takes a `crawler.Response` and returns anything that can be written as JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points

from crawler.model.errors import ConfigurationError
from crawler.model.option import closest

GROUP = "crawler.extractors"

Extractors = tuple[tuple[str, str], ...]
"""Pairs of a name and its `module:function`."""


def installed() -> dict[str, str]:
    """Return the installed extractors: `module:function` by name."""
    return {point.name: point.value for point in entry_points(group=GROUP)}


def located(names: Sequence[str]) -> Extractors:
    """Return the extractors with these names; raise `ConfigurationError` for an unknown one."""
    if not names:
        return ()
    known = installed()
    for name in names:
        if name not in known:
            hint = closest(name, known) or f"; installed: {', '.join(sorted(known)) or 'none'}"
            raise ConfigurationError(f"extract: no extractor {name!r} is installed{hint}")
    return tuple((name, known[name].partition("[")[0].strip()) for name in names)
