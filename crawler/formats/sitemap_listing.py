"""Read a response as a sitemap: `sitemap`, a pure function that any executor can run.

`crawler.formats.sitemap` reads the forms; here gzip is unpacked, locations become URLs, and the
caps apply. A body is read in pieces, so that memory holds only the body and the URLs found. A
`problem` says in words what ended the reading early; earlier findings count. Time is linear in the
bytes, and elements without a location are limited.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Final

from crawler.formats.charset import declared
from crawler.formats.sitemap import MAX_BYTES, Form, locations
from crawler.formats.unpacking import GZIP, PackedPart, Unpacker, member
from crawler.model.document import RawResponse
from crawler.model.url import Url, join
from crawler.model.value import value

MAX_LOCATIONS: Final = 50_000
"""Maximum URLs of a sitemap, and sitemaps of an index; sitemaps.org, "Sitemap index files"."""

MAX_RATIO: Final = 200
"""Maximum compression ratio above `_FREE`. Sequential URLs reach 40, gzip 1,032."""

MAX_MEMBERS: Final = 1_024
"""Maximum members of a gzip archive; parallel packers write one per 64 KiB or more."""

_FREE: Final = 1_048_576  # unpacked bytes exempt from the ratio
_PACKED: Final = 4_096  # packed bytes read at once; damage loses no more
_UNPACKED: Final = 65_536
_WEB = re.compile(r"https?:", re.IGNORECASE)


@value(frozen=True, slots=True, kw_only=True)
class Sitemap:
    """The http(s) URLs of `pages`, or, if it is an index, of `sitemaps`.

    They are serialised, without fragments, in document order; repeats are kept. `invalid` counts
    locations that are not such URLs. `problem` says what is wrong, "" for nothing; `truncated` that
    a cap ended the reading, and then `problem` names it.
    """

    pages: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()
    invalid: int = 0
    problem: str = ""
    truncated: bool = False


def sitemap(response: RawResponse) -> Sitemap:
    """Read a sitemap in any form, gzip or not; relative locations resolve against `response.url`.

    Never raises for any body; one without URLs (an HTML page) is a `Sitemap` with a `problem`.
    """
    body, base = _Body(response.body), Url(response.url)
    form: Form | None = None
    urls: list[str] = []
    invalid, problem, truncated = 0, "", False
    for part in locations(body, declared(response.content_type) or ""):
        left = MAX_LOCATIONS - len(urls) - invalid
        form, texts, problem = part
        found = [_href(base, text, form) for text in texts[:left]]
        urls += [href for href in found if href is not None]
        invalid += found.count(None)
        if len(texts) > left:
            problem, truncated = f"more than {MAX_LOCATIONS} locations", True
            break
    if not truncated:  # the first to end the reading takes precedence
        problem = body.problem or problem or ("an empty document" if form is None else "")
    index = form == "sitemapindex"
    return Sitemap(
        pages=() if index else tuple(urls),
        sitemaps=tuple(urls) if index else (),
        invalid=invalid,
        problem=problem,
        truncated=truncated or body.truncated,
    )


def _href(base: Url, text: str, form: Form) -> str | None:
    """Return the URL of a location; None for a damaged or invalid one."""
    if "\ufffd" in text or (form == "text" and not _WEB.match(text)):
        return None
    url = join(base, text)
    return url.href if isinstance(url, Url) else None


class _Body:
    """The bytes of a body without gzip; ends at a cap or at damage, and then has a `problem`."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.problem = ""
        self.truncated = False

    def __iter__(self) -> Iterator[bytes]:
        left = MAX_BYTES
        for piece in self._unpacked() if self._body.startswith(GZIP) else self._plain():
            if len(piece) > left:
                yield piece[:left]
                self._cap(f"longer than {MAX_BYTES} bytes")
                return
            yield piece
            left -= len(piece)

    def _cap(self, problem: str) -> None:
        self.problem, self.truncated = problem, True

    def _plain(self) -> Iterator[bytes]:
        for at in range(0, len(self._body), _UNPACKED):
            yield self._body[at : at + _UNPACKED]

    def _unpacked(self) -> Iterator[bytes]:
        unpacker, size = Unpacker(_Members().begin, _UNPACKED), 0
        try:
            for at in range(0, len(self._body), _PACKED):
                for piece in unpacker.feed(self._body[at : at + _PACKED]):
                    yield piece
                    size += len(piece)
                    if size > max(_FREE, (at + _PACKED) * MAX_RATIO):
                        self._cap(f"packed more than {MAX_RATIO} to one")
                        return
            if unpacker.inside:
                raise EOFError("it ends too early")
        except (zlib.error, EOFError) as error:
            self.problem = f"the gzip archive is damaged: {error}"


class _Members:
    """The members of a gzip archive, up to the cap; anything after the last one is ignored."""

    def __init__(self) -> None:
        self._number = 0
        self._over = False

    def begin(self, data: bytes) -> PackedPart | None:
        self._over = self._over or not GZIP.startswith(data[:2])
        if self._over:
            return None
        if self._number == MAX_MEMBERS:
            raise EOFError(f"more than {MAX_MEMBERS} parts")
        self._number += 1
        return member()
