"""Extractors: functions from a response to anything that JSON can hold."""

from __future__ import annotations

import re

import crawler

_PRICE = re.compile(r"\d+[.,]\d\d ?(?:€|EUR|\$|USD)")
_HEADING = re.compile(r"<h[1-6][^>]*>(.*?)</h[1-6]>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")


def prices(response: crawler.Response) -> list[str]:
    """Return the first prices on the page."""
    return _PRICE.findall(response.text)[:20]


def headings(response: crawler.Response) -> dict[str, object]:
    """Return the headings and how many there are."""
    found = [_TAG.sub("", text).strip() for text in _HEADING.findall(response.text)]
    return {"count": len(found), "first": found[:5]}
