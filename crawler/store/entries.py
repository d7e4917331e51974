"""Text to the entries of a URL list: plain lines, CSV, JSON lines.

Each reader takes the list of lines of a block and yields the list of their entries, so that what a
slow pipe has sent is handed on before more is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from crawler.formats.sitemap import locations
from crawler.model.choices import InputFormat
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.url import MAX_LENGTH, InvalidUrl, Seed, Url, masked
from crawler.store.archive import READABLE
from crawler.store.entry import Entry, SeedOrigin, Told, refused, seed
from crawler.store.json_lines import JsonLines
from crawler.store.naming import LINES
from crawler.store.plain import plain
from crawler.store.remote_input import SQLITE, is_remote
from crawler.store.rows import Rows
from crawler.store.text import LONGEST, SHOWN, lines

_FORMATS: dict[str, InputFormat] = {
    **dict.fromkeys((".csv", ".tsv"), "csv"),
    **dict.fromkeys(LINES, "jsonl"),
    **dict.fromkeys((".xml", ".rss", ".atom"), "sitemap"),
    ".parquet": "parquet",
    ".warc": "warc",
}
_PATIENCE = 1_000
"""Entries without a URL at the beginning of a list after which it is taken for one without any."""

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]*:")


def entries(blocks: Iterator[bytes], name: str, config: CommandConfig) -> Iterator[list[Entry]]:
    """Yield the entries of an input's UTF-8 text, in the format given by `config` or its name.

    Sitemaps are read by `located`, as XML declares its own encoding. Raises
    `ConfigurationError` if a CSV text has no column `config.url_column`, or if no line of CSV or
    JSON has a URL where the options expect it.
    """
    form, origin = form_of(name, config), SeedOrigin.wanted(name, config)
    label = "standard input" if name == "-" else name
    if form == "csv":
        delimiter = "\t" if _stem(name).endswith(".tsv") else ","
        rows = Rows(lines(blocks, LONGEST), label, config.url_column, delimiter, origin)
        hint = "name its column with --url-column"
        return with_some(rows.entries(), label, hint)
    if form == "jsonl":
        queried = name.startswith(SQLITE)
        field = config.url_column if queried else config.url_field
        whole = field == "url" and not (queried or is_remote(name))
        folder = Path("" if name == "-" else name).absolute().parent if whole else None
        found = JsonLines(field, origin, folder).entries(lines(blocks, LONGEST))
        return with_some(found, label, "name its field with --url-field, or say --input-format")
    return plain(lines(blocks, MAX_LENGTH), origin)


def located(
    blocks: Iterator[bytes], label: str, origin: SeedOrigin | None = None
) -> Iterator[list[Entry]]:
    """Yield the entries of a local sitemap or feed as they are found; its URLs must be absolute.

    `label` appears in errors. Raises `ConfigurationError` for an index of sitemaps, and, after all
    locations before the damage, `EnvironmentFailure` for a broken sitemap or another format.
    """
    for part in locations(blocks):
        if part.form == "sitemapindex" and part.locations:
            raise ConfigurationError(
                f"{label}: is an index of sitemaps and names no pages; "
                "give its own URL with --sitemap"
            )
        if part.locations:
            found = map(_location, part.locations)
            yield [origin.told(entry, None, {}) if origin else entry for entry in found]
        if part.problem:
            raise EnvironmentFailure(f"{label}: {part.problem}; give a whole sitemap or feed")


def _location(text: str) -> str | Seed:
    if "\ufffd" in text:
        return refused(text, "not in the encoding that the sitemap declares")
    if not _SCHEME.match(text):
        return refused(text, "relative, and a file has no URL that it could be relative to")
    return text


def form_of(name: str, config: CommandConfig) -> InputFormat:
    """Return the format of an input, from `config` or else its name; never `auto`."""
    if config.input_format != "auto":
        return config.input_format
    if name.startswith(SQLITE):
        return "jsonl"
    stem = _stem(name)
    return next((form for suffix, form in _FORMATS.items() if stem.endswith(suffix)), "lines")


def _stem(name: str) -> str:
    name = name.lower()
    return next((name.removesuffix(s) for s in READABLE if name.endswith(s)), name)


def with_some(blocks: Iterator[list[Entry]], name: str, hint: str) -> Iterator[list[Entry]]:
    """Hold `blocks` back until an entry has a URL, so that a wrong name is one error."""
    held: list[Entry] = []
    for block in blocks:
        held += block
        if any(map(_has_text, block)):
            break
        if len(held) >= _PATIENCE:
            raise _without_any(held, name, hint)
    else:
        if held:
            raise _without_any(held, name, hint)
        return
    yield held
    yield from blocks


def _has_text(entry: Entry) -> bool:
    text = entry.entry if isinstance(entry, Told) else entry
    return isinstance(text, str) or isinstance(text.url, Url)


def _without_any(held: list[Entry], name: str, hint: str) -> ConfigurationError:
    first = seed(held[0])
    why = first.url.reason if isinstance(first.url, InvalidUrl) else ""
    lines = "its only line" if len(held) == 1 else f"none of its first {len(held):,} lines"
    verb = "has no" if len(held) == 1 else "has a"
    if first.input.lstrip().startswith("["):
        hint = "an array is not JSON lines; jq -c '.[]' makes them of it"
    return ConfigurationError(
        f"{name}: {lines} {verb} URL ({why}: {masked(first.input)[:SHOWN]!r}); {hint}"
    )
