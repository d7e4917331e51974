"""A Parquet file as a list: the URLs of a column, row group by row group."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.extras import install
from crawler.store.blocks import Input
from crawler.store.entry import Entry, SeedOrigin, refused

_ROWS = 1_000  # rows read at once


def parquet_entries(
    found: Input,
    config: CommandConfig,
    tally: Callable[[int], None],
    origin: SeedOrigin | None,
) -> Iterator[list[Entry]]:
    """Yield the entries of `config.url_column`; a URL's line is the number of its row, from 1.

    Raises `ConfigurationError` for a missing column or library and for a pipe,
    `EnvironmentFailure` for a damaged file.
    """
    arrow, parquet = _library()
    if not found.regular or found.name == "-":
        raise ConfigurationError(f"{found.label}: Parquet is read from a file, not from a pipe")
    try:
        with parquet.ParquetFile(found.place) as file:
            names = file.schema_arrow.names
            kept = _columns(names, config, found.label)
            rows = max(1, file.metadata.num_rows)
            number = 1
            for batch in file.iter_batches(_ROWS, columns=kept):
                tally((found.size or 0) * batch.num_rows // rows)
                columns = {name: batch.column(name).to_pylist() for name in kept}
                yield list(_batch(columns, config.url_column, number, origin))
                number += batch.num_rows
    except (OSError, arrow.ArrowException) as error:
        why = " ".join(str(error).split())[:200]
        raise EnvironmentFailure(f"{found.label}: cannot be read as Parquet: {why}") from None


def _library() -> tuple[Any, Any]:
    try:
        from pyarrow import lib, parquet
    except ImportError:
        command = install("parquet")
        raise ConfigurationError(f"input: Parquet needs another library: {command}") from None
    return lib, parquet


def _columns(names: list[str], config: CommandConfig, label: str) -> list[str]:
    """Return the columns to read, the URL's among them."""
    wanted = [config.url_column, *config.keep]
    if "all" in wanted:
        return names
    for name, flag in zip(wanted, ["--url-column", *("--keep" for _ in config.keep)], strict=True):
        if name not in names:
            shown = ", ".join(names)[:200]
            raise ConfigurationError(
                f"{label}: no column {name!r} in {shown}; name one with {flag}"
            )
    return list(dict.fromkeys(wanted))


def _batch(
    columns: dict[str, list[Any]], url: str, number: int, origin: SeedOrigin | None
) -> Iterator[Entry]:
    for at, value in enumerate(columns[url]):
        entry = value if isinstance(value, str) else refused(str(value), f"no text in column {url}")
        if origin is None:
            yield entry
            continue
        kept = {name: cells[at] for name, cells in columns.items() if name != url}
        yield origin.told(entry, number + at, kept)
