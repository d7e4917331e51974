"""A realistic web of any size: pages on many hosts, in trees, with all that crawlers stumble over.

Nothing is held for a page. Any of up to a billion has its path, kind, links and text computed from
its number, and its number from its URL: see `layout` for where pages stand, `node` for what they
are, `markup` and `spelling` for how they are written, `truth` for what a perfect crawl finds and
`score` for how near to it another one came.
"""

from __future__ import annotations

from crawler.mock.graph.serve import answer
from crawler.mock.graph.truth import (
    Entry,
    entries,
    find,
    front,
    listed,
    listed_slice,
    local_pages,
)

__all__ = [
    "Entry",
    "answer",
    "entries",
    "find",
    "front",
    "listed",
    "listed_slice",
    "local_pages",
]
