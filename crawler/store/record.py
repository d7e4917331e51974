"""An outcome as one line of JSON; `crawler.store.record_schema` describes its format.

The line is UTF-8 whatever the text was: lone surrogates (invalid UTF-8 in a list) become U+FFFD,
and control characters are escaped (`crawler.model.output`).
"""

from __future__ import annotations

from crawler.model.document import PARSED, spliced
from crawler.model.outcome import Final
from crawler.model.output import dumps
from crawler.store.record_schema import schema

__all__ = ["PARSED", "dumps", "encode", "schema"]


def encode(final: Final) -> bytes:
    """Return `final` as one line of JSON in UTF-8, with all fields and a line end."""
    return spliced(*final.halves()) + b"\n"
