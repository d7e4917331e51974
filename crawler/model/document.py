"""What goes into a parser and what comes out of it.

Both cross process borders, so both are small, picklable values. A `Document` is already JSON: it is
encoded once, where it was parsed (a worker, as a rule), and spliced into the record as it is. The
event loop never unpickles a list of 700 links only to encode it again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from crawler.model.output import dumps, escaped

PARSED = (
    "charset",
    "title",
    "description",
    "canonical",
    "language",
    "robots",
    "refresh",
    "links",
    "body_hash",
)
"""The fields of a `Document`, in its order; `parsed` and `extracted` may follow."""

NO_DOCUMENT = orjson.dumps(dict.fromkeys(PARSED))
_OURS = b'{"charset":'


@dataclass(frozen=True, slots=True, kw_only=True)
class RawResponse:
    """One HTTP response as a parser sees it.

    `body` is decoded (no Content-Encoding left); `content_type` is the header as sent, "" without,
    `robots_tag` all that X-Robots-Tag headers say, `refresh` the Refresh header, "" without.
    `fields` are the names and values of all header fields in their order, kept only where a parser
    of the user's own will see them.
    """

    url: str
    status: int
    content_type: str
    body: bytes = field(repr=False)
    robots_tag: str = ""
    refresh: str = ""
    fields: tuple[tuple[str, str], ...] = ()


class Leads(NamedTuple):
    """Where a page leads to, and what its text is like; only where links are followed.

    `links` has the fingerprint of each of the page's links, in their order, 8 bytes each in the
    machine's byte order, 0 for one that is not to be followed. `refresh` is the URL that the page
    sends its visitors to at once, "" without. The others: `formats.simhash`.
    """

    links: bytes
    simhash: int
    digest: int
    skeleton: int
    refresh: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The fields found in a response, as one JSON object in UTF-8; `seconds` of a worker's time."""

    json: bytes
    seconds: float = 0.0
    leads: Leads | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields, decoded at each call."""
        decoded: dict[str, Any] = orjson.loads(self.json)
        return decoded


def spliced(fields: dict[str, Any], document: bytes) -> bytes:
    """Return a record as JSON: `fields`, then those of the document as they are."""
    if not document.startswith(_OURS):  # not written by this package's parser
        document = escaped(orjson.dumps(dict.fromkeys(PARSED) | orjson.loads(document)))
    return b"%b,%b" % (dumps(fields)[:-1], document[1:])
