"""`crawler mock faults`: the catalogue of a mock web's faults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import orjson

from crawler.cli.crawl_flags import switch
from crawler.cli.layout import explained
from crawler.mock.reply import CatalogueEntry
from crawler.mock.server.inventory import catalogue
from crawler.model.errors import ExitCode

HELP = "List every fault, trap, form of robots.txt, sitemap and path."


def faults(*, json: Annotated[bool, switch("Print JSON lines.")] = False) -> int:
    """Print the catalogue; `HELP` is the help text."""
    entries = list(catalogue())
    if json:
        for entry in entries:
            print(orjson.dumps(entry.values).decode())
        return ExitCode.FINISHED
    for group in dict.fromkeys(entry.group for entry in entries):
        print("\n".join(_section(group, [entry for entry in entries if entry.group == group])))
        print()
    return ExitCode.FINISHED


def _section(group: str, entries: Sequence[CatalogueEntry]) -> Iterator[str]:
    """Yield a heading and the rows; a path that follows from the name is in the heading only."""
    if all(entry.path == f"/fault/{entry.name}" for entry in entries):
        yield f"{group}: /fault/NAME"
        yield from explained([(entry.name, "", entry.help) for entry in entries])
    else:
        yield group
        yield from explained([(entry.name, entry.path, entry.help) for entry in entries])
