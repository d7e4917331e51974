"""The exception that ends an exchange inside a fetcher."""

from __future__ import annotations

from crawler.model.outcome import Kind, Lost

REASON_LENGTH = 200
"""Maximum length of a reason in characters: one or two lines of a terminal."""

ONLY_HTTP2 = "the server speaks only HTTP/2, which this crawler does not"


class Fault(Exception):
    """An exchange that cannot go on, raised and caught where responses are read.

    `no_tls`: TLS was tried, and the port is closed or does not speak it. `lost`: what could not
    be reached.
    """

    def __init__(
        self, kind: Kind, reason: str, *, no_tls: bool = False, lost: Lost | None = None
    ) -> None:
        super().__init__(kind, reason)
        self.kind = kind
        self.reason = one_line(reason)
        self.no_tls = no_tls
        self.lost = lost


def one_line(text: str) -> str:
    """Return `text` without control characters and surrogates, cut to `REASON_LENGTH`."""
    clean = "".join(c if c.isprintable() else " " for c in text[: 4 * REASON_LENGTH])
    clean = " ".join(clean.split())
    return clean if len(clean) <= REASON_LENGTH else clean[: REASON_LENGTH - 3] + "..."
