"""Lists with methods, and the requests that a web was sent, in a file that no kill takes back.

Each POST is sent at most once, whatever is killed, and then has one record: its page, or that it is
uncertain. It lies next to the directory of the crawl, as the disk of that may lose its power.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from crawler.model.outcome import Kind
from crawler.model.request import Request


def targets(urls: Iterable[str]) -> str:
    """Return a list with a POST for every third URL, and PUT and GET for the others."""
    methods = ({"body": "once"}, {"method": "PUT", "body": "again"}, {})
    lines = [{"url": url, **methods[number % 3]} for number, url in enumerate(urls)]
    return "".join(f"{json.dumps(line)}\n" for line in lines)


class Ledger:
    """The POSTs that were sent to the crawl of a directory, by URL."""

    def __init__(self, folder: Path) -> None:
        self._path = folder.with_name(f"{folder.name}.ledger")

    def note(self, request: Request) -> None:
        """Take note of a request, if it is a POST."""
        if request.sending is None or request.sending.method != "POST":
            return
        number = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        os.write(number, f"{request.url.href}\n".encode())
        os.close(number)

    def wrong(self, records: Iterable[dict[str, Any]]) -> str:
        """Return what is wrong with these records of all URLs; "" if nothing is."""
        sent = Counter(self._path.read_text().splitlines())
        if twice := [url for url, number in sent.items() if number > 1]:
            return f"sent twice: {twice[:3]}"
        posted = {each["url"]: each for each in records if each.get("method") == "POST"}
        kinds = {url: each["kind"] for url, each in posted.items()}
        if other := {kind for kind in kinds.values() if kind not in (None, Kind.UNCERTAIN)}:
            return f"POST ended as {other}"
        if unsent := [url for url, kind in kinds.items() if kind is None and url not in sent]:
            return f"a page for what was never sent: {unsent[:3]}"
        return "" if sent.keys() <= posted.keys() else "what was sent has no record"
