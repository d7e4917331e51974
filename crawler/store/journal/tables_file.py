"""The file of a crawl's tables: written with a new base and at the end of a run, as a whole.

A header (CRC-32 of what follows), a JSON line with lengths and what is text, then 64-bit numbers:
places and values of counts, signatures and fingerprints of pages. Values that are longer than 64
bits are maps of bits, and stand in the JSON line.
"""

from __future__ import annotations

from array import array
from pathlib import Path
from struct import Struct
from zlib import crc32

import orjson

from crawler.core.crawl_tables import NO_TABLES, CrawlTables
from crawler.store.journal import disk

TABLES = "tables"
"""The file's name."""
_CHECK = Struct("<I")
_MOST = 1 << 64


def write_tables(folder: Path, tables: CrawlTables) -> None:
    """Replace the tables in a folder. Raises `OSError`."""
    small = {place: value for place, value in tables.counts.items() if value < _MOST}
    long = {str(place): hex(value) for place, value in tables.counts.items() if value >= _MOST}
    head = {
        "counts": len(small),
        "long": long,
        "pages": len(tables.pages),
        "barren": {host: list(shapes) for host, shapes in tables.barren.items()},
        "refused": {str(reason): number for reason, number in tables.refused.items()},
    }
    numbers = (array("Q", small), array("Q", small.values()), tables.signatures, tables.pages)
    body = b"".join((orjson.dumps(head), b"\n", *(each.tobytes() for each in numbers)))
    disk.replace(folder / TABLES, _CHECK.pack(crc32(body)) + body)


def read_tables(folder: Path) -> CrawlTables:
    """Return the tables in a folder; empty ones if there are none. Raises `ValueError`."""
    try:
        data = (folder / TABLES).read_bytes()
    except FileNotFoundError:
        return NO_TABLES
    body = data[_CHECK.size :]
    if len(data) < _CHECK.size or _CHECK.unpack_from(data)[0] != crc32(body):
        raise ValueError("its checksum is not that of its content")
    line, _, rest = body.partition(b"\n")
    head = orjson.loads(line)
    number, pages = head["counts"], head["pages"]
    numbers = array("Q", rest)
    counts = dict(zip(numbers[:number], numbers[number : 2 * number], strict=True))
    counts |= {int(place): int(value, 16) for place, value in head["long"].items()}
    return CrawlTables(
        counts=counts,
        barren=head["barren"],
        signatures=numbers[2 * number : 2 * number + pages],
        pages=numbers[2 * number + pages :],
        refused=head["refused"],
    )
