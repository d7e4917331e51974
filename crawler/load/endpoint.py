"""A target of a list: one request, with its share of the load and its row in the results.

A line of a list is a URL, or a JSON object with the fields of `FIELDS`:

    {"url": "http://127.0.0.1:8080/users/{{id}}", "method": "PUT", "headers": {"X-Run": "{{seq}}"},
     "body": {"name": "{{name}}"}, "expect_status": "200-299", "weight": 3, "name": "rename"}

A body that is an object or an array is sent as JSON. URL, header values and body may hold templates
(`crawler.load.template`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from pathlib import Path
from typing import Any

import orjson

from crawler.load.load_config import statuses
from crawler.model.errors import ConfigurationError
from crawler.model.option import closest
from crawler.model.payload import check_bodies, expected, field, is_json, unfit

FIELDS = ("url", "method", "headers", "body", "body_file", "expect_status", "weight", "name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One target. Text that is "" was not given; the options of the run then decide.

    json: the body is JSON and is labelled so. source: where it was read, for error messages.
    """

    url: str
    method: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    body_file: str = ""
    json: bool = False
    expect_status: str = ""
    weight: float = 1
    name: str = ""
    source: str = ""

    @classmethod
    def read(cls, line: str, source: str, folder: Path) -> Endpoint:
        """Read a line of JSON. Files are relative to `folder`; raises `ConfigurationError`."""
        try:
            values = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise ConfigurationError(f"{source}: invalid JSON: {error}") from None
        try:
            return _checked(values, source, folder)
        except ValueError as error:
            raise ConfigurationError(f"{source}: {error}") from None


def _checked(values: object, source: str, folder: Path) -> Endpoint:
    given = expected("target", values, dict, "a JSON object or a URL")
    for name in given:
        if name not in FIELDS:
            known = closest(name, FIELDS) or f"; expected {', '.join(FIELDS)}"
            raise ValueError(f"unknown field {name[:40]!r}{known}")
    found = {name: _field(name, value) for name, value in given.items() if value is not None}
    if "url" not in found:
        raise ValueError('no "url"')
    check_bodies(found)
    if found.get("body_file"):
        found["body_file"] = str(folder / found["body_file"])
    return Endpoint(**found, json=is_json(given.get("body")), source=source)


def _field(name: str, value: Any) -> Any:
    """Return the value of a field as `Endpoint` has it; ValueError says what was expected."""
    if name == "expect_status":
        text = ",".join(map(str, value)) if isinstance(value, list) else value
        listed = str(expected(name, text, str | int, "200 or '200-299,404'"))
        try:
            statuses(listed)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        return listed
    if name == "weight":
        if expected(name, value, int | float, "a number above 0") <= 0:
            raise unfit(name, "a number above 0", value)
        return value
    return field(name, value)


def shares(weights: Sequence[float]) -> list[int]:
    """Return weights as the smallest whole numbers in the same proportion."""
    exact = [Fraction(str(weight)) for weight in weights]
    scale = lcm(*(each.denominator for each in exact))
    whole = [int(each * scale) for each in exact]
    unit = gcd(*whole)
    return [each // unit for each in whole]
