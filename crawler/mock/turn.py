"""A request as it was read, and its turn: from its arrival to the last byte of its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from crawler.mock.wire import Delivery


class Request(NamedTuple):
    """One parsed request; `problem` is a status to refuse it with, or 0.

    conditional: whether it has `If-None-Match` or `If-Modified-Since`.
    """

    method: bytes
    target: bytes
    host: bytes
    headers: list[tuple[bytes, bytes]]
    keep_alive: bool
    version: str = "1.1"
    agent: bytes = b""
    conditional: bool = False
    body: bytes = b""
    problem: int = 0


@dataclass(slots=True)
class Turn:
    """One request from its arrival to the last byte of its answer.

    delivery: None as long as the answer is being made. host, address: the ledger's rows.
    begun: when it arrived, on `time.monotonic`. sent: bytes written.
    """

    request: Request
    host: str
    address: str
    client: str
    begun: float
    delivery: Delivery | None = None
    sent: int = 0
    ended: bool = False
    counted: bool = True
