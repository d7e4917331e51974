"""Statuses that count as a success, and failure of a run whatever its latencies are."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from functools import cache

from crawler.load.measured import Measured

EXPECTED = "200-399"
"""Every status that is not an error (RFC 9110, 15); 1xx never ends an answer."""

_PART = re.compile(r"(?:([1-9]\d\d)(?:\s*-\s*([1-9]\d\d))?|([1-9])xx)", re.IGNORECASE)


@cache
def statuses(text: str) -> AbstractSet[int]:
    """Return the statuses that a text such as `200-399,404` or `2xx` names.

    Raises ValueError that says what was expected.
    """
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise ValueError(
                f"{part.strip()[:40]!r} is not a status; expected a list such as 200-399,404 or 2xx"
            )
        first = int(match[1] or f"{match[3]}00")
        last = int(match[2] or (match[1] or f"{match[3]}99"))
        if last < first:
            raise ValueError(f"{part.strip()!r} is empty; write the lower status first")
        found.update(range(first, last + 1))
    return frozenset(found)


def failure(measured: Measured, most_errors: float) -> str:
    """Return why a run has failed: nothing succeeded, or more than `most_errors` of it did not.

    `most_errors` is a share of all attempts; "" if the run has not failed.
    """
    if not measured.succeeded:
        what = f"none of {measured.attempts:,} had" if measured.attempts else "none was due, or had"
        return f"NO REQUEST SUCCEEDED: {what} an expected answer"
    if measured.error_share > most_errors:
        most = f"at most {share(most_errors)} may (--max-errors)"
        return f"{share(measured.error_share)} of the requests failed; {most}"
    return ""


def share(value: float) -> str:
    """Return a share in percent with up to three digits: `1%`, `66.2%`."""
    return f"{100 * value:.3g}%"
