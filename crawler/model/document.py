"""The input and output of a parser.

Both cross process borders, so they are small, picklable values. A `Document` is JSON already,
encoded where it was parsed (usually a worker) and spliced into the record unchanged: the event
loop never unpickles a list of links only to encode it again.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any, NamedTuple

import orjson

from crawler.model.output import dumps, escaped
from crawler.model.value import value

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
"""The fields of a `Document`, in its order; content, `parsed` and `extracted` may follow."""

NO_DOCUMENT = orjson.dumps(dict.fromkeys(PARSED))
_OURS = b'{"charset":'


@value(frozen=True, slots=True, kw_only=True)
class RawResponse:
    """One HTTP response as a parser sees it.

    `body` is decoded (no Content-Encoding left). `content_type` and `refresh` are headers as sent,
    "" if absent; `robots_tag` joins all X-Robots-Tag headers. `fields` holds all header names and
    values in order, and only if the user's own parser reads them.
    """

    url: str
    status: int
    content_type: str
    body: bytes = field(repr=False)
    robots_tag: str = ""
    refresh: str = ""
    fields: tuple[tuple[str, str], ...] = ()


class Leads(NamedTuple):
    """The links of a page and the hashes of its text, computed only where links are followed.

    `links` holds a fingerprint for each link of the page in order, 8 bytes each in the machine's
    byte order; 0 for a link not to follow. `refresh` is the target of an immediate refresh, ""
    if none. For the other fields see `formats.simhash`.
    """

    links: bytes
    simhash: int
    digest: int
    skeleton: int
    refresh: str = ""


@value(frozen=True, slots=True, kw_only=True)
class Document:
    """The fields found in a response, as a JSON object in UTF-8; `seconds` is parsing time."""

    json: bytes
    seconds: float = 0.0
    leads: Leads | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields, decoded at each access."""
        decoded: dict[str, Any] = orjson.loads(self.json)
        return decoded


def completed(document: bytes) -> bytes:
    """Return the JSON of a document with all fields of `PARSED`."""
    return escaped(orjson.dumps(dict.fromkeys(PARSED) | orjson.loads(document)))


def spliced(fields: dict[str, Any], document: bytes) -> bytes:
    """Return a record as JSON: `fields`, then the document's fields unchanged.

    A document by another parser has no say in what `fields` has: no name is there twice.
    """
    if not document.startswith(_OURS):  # not written by this package's parser
        others = orjson.loads(document).items()
        document = completed(dumps({key: each for key, each in others if key not in fields}))
    return b"%b,%b" % (dumps(fields)[:-1], document[1:])
