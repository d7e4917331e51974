"""Reading a crawl's records, and saying how two crawls of one list differ.

A record is one JSON object a line, keyed by the `url` of the list. What a clock measured may
differ between crawls; everything else may not.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

Record = Mapping[str, Any]

# Fields that a clock decides; all others must be equal.
MEASURED = frozenset({"timings", "fetched_at"})
# Fields that are the same even when nobody parses the page.
FETCHED = ("url", "final_url", "outcome", "kind", "status", "content_type")

_SHOWN = 100  # characters of a value in a message


class BrokenOutput(Exception):
    """The output is not one record a URL; the message names the line or the URLs."""


def load(path: Path, urls: Iterable[str]) -> dict[str, Record]:
    """Read the records of `path` by URL; raise `BrokenOutput` unless there is one for each."""
    records = list(_lines(path))
    expected, found = set(urls), Counter(str(record.get("url")) for record in records)
    _refuse("recorded twice", (url for url, times in found.items() if times > 1))
    _refuse("without a record", expected - found.keys())
    _refuse("recorded but not in the list", found.keys() - expected)
    return {str(record["url"]): record for record in records}


def _lines(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                record = json.loads(line)
            except ValueError as error:
                raise BrokenOutput(f"line {number} is no JSON: {error}") from error
            if not isinstance(record, dict):
                raise BrokenOutput(f"line {number} is no JSON object")
            yield record


def _refuse(what: str, urls: Iterable[str]) -> None:
    if wrong := sorted(urls):
        raise BrokenOutput(f"{len(wrong)} URLs {what}, such as {', '.join(wrong[:3])}")


def differences(left: Record, right: Record) -> Iterator[str]:
    """One line for every field, clocks apart, in which two records of a URL differ."""
    for name in sorted((left.keys() | right.keys()) - MEASURED):
        if left.get(name) != right.get(name):
            yield f"{name}: {_short(left.get(name))} != {_short(right.get(name))}"


def fetched_differences(left: Record, right: Record) -> Iterator[str]:
    """The same for the fields that owe nothing to a parser."""
    for name in FETCHED:
        if left.get(name) != right.get(name):
            yield f"{name}: {_short(left.get(name))} != {_short(right.get(name))}"


def link_differences(found: list[str], right: list[str]) -> Iterator[str]:
    """How a record's links differ from the right ones: what is missing, too much, misplaced."""
    missing, extra = set(right) - set(found), set(found) - set(right)
    if missing:
        yield f"{len(missing)} links missing, such as {_short(min(missing))}"
    if extra:
        yield f"{len(extra)} links too many, such as {_short(min(extra))}"
    if not missing and not extra and found != right:
        yield f"the same links in another order, or repeated: {len(found)} for {len(right)}"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
