"""A kind and one line: what is raised inside a fetcher where an exchange cannot go on."""

from __future__ import annotations

from crawler.model.outcome import Kind, Lost

REASON_LENGTH = 200
"""Characters a reason may have: one line of a terminal or two."""

ONLY_HTTP2 = "the server speaks only HTTP/2, which this crawler does not"


class Fault(Exception):
    """An exchange that cannot go on; whoever reads responses raises it, and catches it.

    `no_tls`: where TLS was tried, the port is closed to it or speaks something else. `lost`: what
    there was no way to.
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
    """`text` without control characters and surrogates, at most `REASON_LENGTH` characters."""
    clean = "".join(c if c.isprintable() else " " for c in text[: 4 * REASON_LENGTH])
    clean = " ".join(clean.split())
    return clean if len(clean) <= REASON_LENGTH else clean[: REASON_LENGTH - 3] + "..."
