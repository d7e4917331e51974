"""Bodies of pages as files: `--save DIR`.

    https://example.com/docs/guide.html?v=2  ->  DIR/example.com/docs/guide.7c11f0a9d2e4.html

A file's place follows from the URL alone: host, path, and a hash of the URL before the suffix (with
method and body, if the list gives them). So
each URL has one file, which a crawl that goes on writes again, and partitions never share one.
Nothing that a server says leads out of the directory, and no name that ends like a file's is that
of a directory.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from crawler.model import media
from crawler.model.outcome import Page
from crawler.model.payload import marked
from crawler.model.request import Request
from crawler.model.url import fingerprint

_UNSAFE = re.compile(r"[^A-Za-z0-9._~%=,@+-]")
_LIKE_A_FILE = re.compile(r"\.[0-9a-f]{16}\.[a-z0-9]{1,5}$")
_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}$")
_SEGMENT = 100  # characters; most file systems allow 255 bytes
_DEPTH = 12  # directories below that of the host
_SUFFIXES = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/plain": ".txt",
    "application/json": ".json",
    "application/pdf": ".pdf",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/svg+xml": ".svg",
}


class SavedBodies:
    """The files below a directory, which is made with the first of them."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def __repr__(self) -> str:
        return f"SavedBodies({str(self._folder)!r})"

    def write(self, name: str, body: bytes) -> None:
        """Write a file as a whole or not at all. Raises `OSError`."""
        place = self._folder / name
        draft = place.with_name(f"{place.name}.part")
        try:
            file = draft.open("wb", buffering=0)
        except FileNotFoundError:
            place.parent.mkdir(parents=True, exist_ok=True)
            file = draft.open("wb", buffering=0)
        try:
            with file:
                rest = memoryview(body)
                while rest:
                    rest = rest[file.write(rest) :]
            draft.replace(place)
        except BaseException:
            with suppress(OSError):
                os.unlink(draft)
            raise


def name_of(page: Page) -> str:
    """Return the place of a page's body below the directory, with `/` between its parts."""
    url = page.request.url
    *folders, last = url.path.partition("?")[0].split("/")[1:]
    stem, suffix = _split(last, page.exchange.content_type)
    parts = [_safe(url.authority), *map(_folder, filter(None, folders[:_DEPTH]))]
    return "/".join((*parts, f"{stem}.{_mark(page.request)}{suffix}"))


def _mark(request: Request) -> str:
    return f"{fingerprint(marked(request.url.href, request.payload)):016x}"


def _split(last: str, content_type: str) -> tuple[str, str]:
    """Return the first part of a file's name, and its suffix."""
    found = _SUFFIX.search(last.lower())
    if found and found.start():
        return _safe(last[: found.start()]), found[0]
    return _safe(last or "index"), _SUFFIXES.get(media.read(content_type).essence, ".bin")


def _folder(segment: str) -> str:
    name = _safe(segment)
    return f"{name}_" if _LIKE_A_FILE.search(name) else name


def _safe(text: str) -> str:
    name = _UNSAFE.sub("_", text)[:_SEGMENT]
    return f"_{name}" if name.startswith(".") else name
