"""One outcome as one line of JSON; the line's form is in `crawler.store.record_schema`.

The line is UTF-8 whatever the text was: lone surrogates (bytes of a list that were no UTF-8) become
U+FFFD, and nothing in it acts on a terminal (`crawler.model.output`).
"""

from __future__ import annotations

from crawler.model.document import PARSED, spliced
from crawler.model.outcome import Final
from crawler.model.output import dumps
from crawler.store.record_schema import schema

__all__ = ["PARSED", "dumps", "encode", "schema"]


def encode(final: Final) -> bytes:
    """`final` as one line of JSON in UTF-8, with its line end. Every field is there."""
    return spliced(*final.halves()) + b"\n"
