"""What a person sees while a load runs: one line on a terminal, nothing elsewhere.

It is written once a second by the generator itself, so it is plain text: a library that draws would
take milliseconds of the very loop whose latencies are measured; this takes some 50 microseconds.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from crawler.cli.units import count, milliseconds
from crawler.load.measured import Measured
from crawler.load.options import LoadConfig
from crawler.load.part import seconds_of

_CLEAR = "\r\x1b[K"

Watch = Callable[[Measured], None]


def line(config: LoadConfig, measured: Measured) -> str:
    """Time, rate, latencies of both kinds and errors so far; at most 80 columns in any likely run.

    Of a closed loop, where they are the same, the latency is shown once.
    """
    response, service = measured.response, measured.service
    p50, p99 = response.quantiles((0.5, 0.99))
    parts = [
        f"{measured.elapsed:.0f}/{seconds_of(config):g} s",
        f"{measured.rate:,.0f}/s",
        f"p50 {milliseconds(p50)}",
        f"p99 {milliseconds(p99)}",
    ]
    if config.open_loop:
        parts.append(f"service p99 {milliseconds(service.quantile(0.99))}")
    parts.append(f"{count(measured.errors)} errors")
    return "  ".join(parts)


@contextmanager
def watching(config: LoadConfig, *, quiet: bool) -> Iterator[Watch | None]:
    """What to call each second; None where nobody looks. The line is gone after the block."""
    stream = sys.stderr
    if quiet or not stream.isatty() or os.environ.get("TERM") == "dumb":
        yield None
        return
    try:
        yield lambda measured: _draw(stream, line(config, measured))
    finally:
        stream.write(_CLEAR)
        stream.flush()


def _draw(stream: TextIO, text: str) -> None:
    width = shutil.get_terminal_size().columns - 1
    stream.write(f"{_CLEAR}{text[:width]}")
    stream.flush()
