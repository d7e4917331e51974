"""User parsers, good and hostile; what a page does follows from its body."""

from __future__ import annotations

import os
import signal
import struct
import sys
import time
from collections.abc import Callable
from concurrent.futures import process
from typing import Any

import crawler
from crawler.model.document import RawResponse

NOT_A_FUNCTION = 3


def seen(response: crawler.Response) -> dict[str, Any]:
    """What there is to see of a response; no page 13."""
    if response.url.endswith("/13"):
        raise ValueError("thirteen")
    headers, text = response.headers, response.text
    told = int(headers["content-length"])
    facts = {"type": headers["Content-Type"], "length": len(response.body), "told": told}
    return {**facts, "charset": response.charset, "starts": text[:15].lower()}


def hostile(response: RawResponse) -> Any:
    """A dict for a good page; ruin for the others."""
    ruin = RUINS.get(response.body)
    if ruin is not None:
        return ruin()
    return {"length": len(response.body), "pid": os.getpid()}


def _loop() -> None:
    while True:
        pass


def _loop_whatever_comes() -> None:
    while True:
        try:
            _loop()
        except BaseException:  # swallows even the alarm: only a kill ends it
            continue


def _raise() -> None:
    raise ValueError("not a page of mine\nat all")


def _hoard() -> None:
    held = [b""]
    while True:
        held.append(bytes(1_000_000))


_KEPT: list[bytes] = []


def _leak() -> dict[str, Any]:
    _KEPT.append(bytes(20_000_000))
    return {"length": 4, "pid": os.getpid()}


def _babble() -> None:
    """Send anything but answers from now on; kept by the worker, as a patched library would be."""

    def send(queue: Any, work_id: int, **_rest: Any) -> None:
        queue.put(process._ResultItem(work_id, result=[("ok", b"", 3)]))  # type: ignore[attr-defined]

    process._sendback_result = send  # type: ignore[attr-defined]


def _flood() -> None:
    """Begin an answer of a terabyte."""

    def send(queue: Any, *_args: Any, **_rest: Any) -> None:
        os.write(queue._writer.fileno(), struct.pack("!iQ", -1, 1 << 40))
        time.sleep(600)

    process._sendback_result = send  # type: ignore[attr-defined]


RUINS: dict[bytes, Callable[[], Any]] = {
    b"exit": lambda: os._exit(3),
    b"babble": _babble,
    b"flood": _flood,
    b"kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    b"loop": _loop,
    b"stubborn": _loop_whatever_comes,
    b"sleep": lambda: time.sleep(1_000),
    b"raise": _raise,
    b"hoard": _hoard,
    b"huge": lambda: {"zeros": len(bytes(10**16))},
    b"leak": _leak,
    b"leave": lambda: sys.exit(4),
    b"list": lambda: [1, 2],
    b"object": lambda: {"value": object()},
}
