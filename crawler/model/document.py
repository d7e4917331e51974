"""What goes into a parser and what comes out of it.

Both cross process borders, so both are small, picklable values. A `Document` is already JSON: it is
encoded once, where it was parsed (a worker, as a rule), and spliced into the record as it is. The
event loop never unpickles a list of 700 links only to encode it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One HTTP response as a parser sees it.

    `body` is decoded (no Content-Encoding left); `content_type` is the header as sent, "" without.
    """

    url: str
    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The fields found in a response, as one JSON object in UTF-8, and the seconds it took."""

    json: bytes
    seconds: float = 0.0

    @property
    def fields(self) -> dict[str, Any]:
        """The fields, decoded at each call."""
        decoded: dict[str, Any] = orjson.loads(self.json)
        return decoded
