"""A local sitemap or feed as a list of URLs, which must be absolute."""

from __future__ import annotations

import re
from collections.abc import Iterator

from crawler.formats.sitemap import locations
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.url import Seed
from crawler.store.entry import Entry, refused
from crawler.store.origin import SeedOrigin

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]*:")


def located(
    blocks: Iterator[bytes], label: str, origin: SeedOrigin | None = None
) -> Iterator[list[Entry]]:
    """Yield the entries of a sitemap as they are found; `label` appears in errors.

    Raises `ConfigurationError` for an index of sitemaps, and, after all locations before the
    damage, `EnvironmentFailure` for a broken sitemap or another format.
    """
    for part in locations(blocks):
        if part.form == "sitemapindex" and part.locations:
            raise ConfigurationError(
                f"{label}: is an index of sitemaps and names no pages; "
                "give its own URL with --sitemap"
            )
        if part.locations:
            found = map(_entry, part.locations)
            yield [origin.told(entry, None, {}) if origin else entry for entry in found]
        if part.problem:
            raise EnvironmentFailure(f"{label}: {part.problem}; give a whole sitemap or feed")


def _entry(text: str) -> str | Seed:
    if "\ufffd" in text:
        return refused(text, "not in the encoding that the sitemap declares")
    if not _SCHEME.match(text):
        return refused(text, "relative, and a file has no URL that it could be relative to")
    return text
