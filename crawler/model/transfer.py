"""One HTTP exchange, as the outcome of a URL tells of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from crawler.model.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One HTTP exchange, as far as it came. Times are seconds, sizes bytes.

    `connect` is 0 where a connection was reused; `first_byte` is the time from sending to the whole
    response header; `total` is everything from the start of the fetch to its end.
    `started_at` is the core's clock, `fetched_at` Unix time. `wire_bytes` counts the body before,
    `body_bytes` after decoding. `cookies` are the values of Set-Cookie headers as sent, for the
    redirect chain alone. `truncated`: the body is the beginning of a longer one. `fields` are the
    names and values of the response's header, in their order, where somebody may ask for them.
    """

    status: int | None = None
    content_type: str = ""
    wire_bytes: int = 0
    body_bytes: int = 0
    connect: float = 0.0
    first_byte: float | None = None
    total: float = 0.0
    started_at: float = 0.0
    fetched_at: float = 0.0
    cookies: tuple[str, ...] = field(default=(), repr=False)
    truncated: bool = False
    fields: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def record(self, request: Request, parse: float | None) -> dict[str, Any]:
        """Return the fields of a record that tell of it; `parse` is the time of parsing."""
        first_byte = self.first_byte
        return {
            "status": self.status,
            "content_type": self.content_type or None,
            "bytes": {"wire": self.wire_bytes, "decoded": self.body_bytes},
            "truncated": self.truncated,
            "timings": {
                "queued": _rounded(self.started_at - request.admitted_at),
                "connect": _rounded(self.connect),
                "first_byte": None if first_byte is None else _rounded(first_byte),
                "total": _rounded(self.total),
                "parse": None if parse is None else _rounded(parse),
            },
            "attempts": request.attempts,
            "fetched_at": _timestamp(self.fetched_at),
        }


def no_exchange(attempts: int) -> dict[str, Any]:
    """Return the same fields where there was no exchange."""
    return {
        "status": None,
        "content_type": None,
        "bytes": {"wire": None, "decoded": None},
        "truncated": False,
        "timings": dict.fromkeys(("queued", "connect", "first_byte", "total", "parse")),
        "attempts": attempts,
        "fetched_at": None,
    }


def _rounded(seconds: float) -> float:
    """To whole microseconds; a quarter of the time that `round` takes."""
    return int(seconds * 1e6 + 0.5) / 1e6


def _timestamp(at: float) -> str | None:
    """RFC 3339 in UTC with milliseconds; None for 0, which stands for never."""
    if not at:
        return None
    second, millisecond = divmod(int(at * 1000), 1000)
    return f"{_second(second)}{millisecond:03d}Z"


@lru_cache(maxsize=128)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
