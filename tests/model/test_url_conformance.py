"""The web platform tests' cases for URLs, through `parse` and `join`: every case, or its reason.

A crawler's base is always an http(s) URL, its URLs have no fragment, and other schemes are told
apart from nonsense but not followed. What a person writes without a scheme is read as https.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from crawler.model.url import InvalidUrl, Url, join, parse

CASES = Path(__file__).parents[3] / "shared" / "conformance" / "urls_wpt.jsonl"
_HTTP = ("http://", "https://")

MISMATCHES: dict[tuple[str, str | None], str] = {}
"""Cases that come out otherwise, by input and base, each with the reason. There are none."""


@cache
def cases() -> list[dict[str, Any]]:
    if not CASES.exists():
        pytest.skip("the conformance cases are not beside this checkout")
    return [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]


def read(case: dict[str, Any]) -> Url | InvalidUrl | str:
    """What the crawler reads a case as, or why it never meets one like it."""
    base, given = case.get("base"), case["input"]
    if base is not None and isinstance(context := parse(base), Url):
        return join(context, given)
    bare = re.sub(r"[\t\n\r]", "", given).strip("".join(map(chr, range(0x21))))
    if re.match(r"https?:", bare, re.IGNORECASE):
        return parse(given)
    if base is not None:
        return "its base has another scheme, and a crawler's base has not"
    if re.match(r"[a-z][a-z0-9+.-]*:", bare, re.IGNORECASE):
        return "another scheme, or a host with a port as a person writes it"
    return "no scheme: a person means https"


def agrees(found: Url | InvalidUrl, wanted: str | None) -> bool:
    if wanted is not None and wanted.startswith(_HTTP):
        return found == Url(wanted.partition("#")[0])
    return isinstance(found, InvalidUrl) and found.unsupported_scheme is (wanted is not None)


def test_every_case_agrees_or_has_a_reason() -> None:
    """Each case that a crawler can meet gives its URL or its failure; what differs is named."""
    differing = {}
    for case in cases():
        found = read(case)
        if not isinstance(found, str) and not agrees(found, case.get("href")):
            differing[case["input"], case.get("base")] = found
    assert set(differing) == set(MISMATCHES), differing


def test_few_cases_are_out_of_reach() -> None:
    """What is not looked at is of three kinds only, and no case there is an http(s) URL."""
    reasons: Counter[str] = Counter()
    for case in cases():
        found = read(case)
        if isinstance(found, str):
            reasons[found] += 1
            assert not (case.get("href") or "").startswith(_HTTP), case
    assert len(reasons) <= 3
    assert reasons.total() < len(cases()) / 2


def test_other_schemes_lead_nowhere() -> None:
    """An absolute URL of a scheme that the list of a crawl may hold is told from nonsense."""
    for case in cases():
        scheme = (case.get("href") or "").partition(":")[0]
        if scheme in ("ftp", "file", "mailto", "javascript", "data", "about") and not case["base"]:
            found = parse(case["input"])
            assert isinstance(found, InvalidUrl), case
            assert found.unsupported_scheme, case
