"""What wrk, hey, autocannon and our own load generator print, read as the same figures."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from crawler.load.load_result import LoadDocument
from crawler.measure.json_document import parsed

SHARES: Mapping[str, float] = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
"""The quantiles that all of them tell."""

Figures = tuple[int, float, Mapping[str, float]]
"""Requests answered, seconds, and quantiles of the latency in seconds."""

_WRK_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def wrk(said: str) -> Figures:
    """Of `wrk --latency`; ValueError if not every request was answered with 200."""
    if "Non-2xx" in said or "Socket errors" in said:
        raise ValueError(said)
    pages, rate = _number(r"(\d+) requests in", said), _number(r"Requests/sec:\s+([\d.]+)", said)
    found = re.findall(r"^\s+(\d+)%\s+([\d.]+)([a-z]+)$", said, re.MULTILINE)
    figures = {f"p{share}": float(value) * _WRK_UNITS[unit] for share, value, unit in found}
    return int(pages), pages / rate, figures


def hey(said: str) -> Figures:
    """Of `hey`; ValueError if not every request was answered with 200."""
    if "Error distribution" in said:
        raise ValueError(said)
    pages = _number(r"\[200\]\s+(\d+) responses", said)
    found = re.findall(r"^\s+(\d+)% in ([\d.]+) secs$", said, re.MULTILINE)
    figures = {f"p{share}": float(value) for share, value in found}
    return int(pages), pages / _number(r"Requests/sec:\s+([\d.]+)", said), figures


def autocannon(said: str) -> Figures:
    """Of `autocannon --json`; ValueError if not every request was answered with 200."""
    found = json.loads(said)
    if found["errors"] or found["non2xx"]:
        raise ValueError(said)
    figures = {share: found["latency"][share] / 1e3 for share in SHARES}
    return int(found["requests"]["total"]), float(found["duration"]), figures


def _number(pattern: str, said: str) -> float:
    found = re.search(pattern, said)
    if found is None:
        raise ValueError(said)
    return float(found[1])


def ours(said: str) -> Figures:
    """Of `crawler load --json`; ValueError if not every request was answered well."""
    measured = parsed(said.encode(), LoadDocument).measured
    if measured.errors:
        raise ValueError(said)
    shown = zip(SHARES, measured.service.quantiles(SHARES.values()), strict=True)
    return measured.count, measured.elapsed, dict(shown)
