"""Entries that a list repeats, as JSON lines: `--repeats FILE`.

The record of a URL gives the position of its first entry; every other entry has a line here: `url`,
`input`, and its position (`file`, `line`, `columns`). So each line of a list is in one of the two.
"""

from __future__ import annotations

from crawler.model.output import dumps
from crawler.model.url import Seed, Url
from crawler.store.log import LineLog

_NOWHERE = dumps({"file": None, "line": None, "columns": None})


class RepeatLog(LineLog):
    """The file of the repeats."""

    def put(self, seed: Seed) -> None:
        """Add an entry whose URL the crawl has already."""
        url = seed.url.href if isinstance(seed.url, Url) else seed.url.text
        place = seed.source or _NOWHERE
        self.add(b"%b,%b\n" % (dumps({"url": url, "input": seed.input})[:-1], place[1:]))
