"""A target of a list: one request, with its share of the load and its row in the results.

A line of a list is a URL, or a JSON object with the fields of `FIELDS`:

    {"url": "http://127.0.0.1:8080/users/{{id}}", "method": "PUT", "headers": {"X-Run": "{{seq}}"},
     "body": {"name": "{{name}}"}, "expect_status": "200-299", "weight": 3, "name": "rename"}

A body that is an object or an array is sent as JSON. URL, header values and body may hold templates
(`crawler.load.template`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from pathlib import Path
from typing import Any

import orjson

from crawler.load.load_config import statuses
from crawler.model.errors import ConfigurationError
from crawler.model.option import closest

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

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Endpoint:
        """Return what `dataclasses.asdict` has made JSON of."""
        headers = tuple((name, value) for name, value in values["headers"])
        return cls(**{**values, "headers": headers})


def _checked(values: object, source: str, folder: Path) -> Endpoint:
    if not isinstance(values, dict):
        raise _unfit("target", "a JSON object or a URL", values)
    for name in values:
        if name not in FIELDS:
            known = closest(name, FIELDS) or f"; expected {', '.join(FIELDS)}"
            raise ValueError(f"unknown field {name[:40]!r}{known}")
    if "url" not in values:
        raise ValueError('no "url"')
    if values.get("body") is not None and values.get("body_file"):
        raise ValueError("body and body_file are both given; leave one out")
    found = {name: _READERS[name](value) for name, value in values.items() if value is not None}
    if found.get("body_file"):
        found["body_file"] = str(folder / found["body_file"])
    return Endpoint(**found, json=isinstance(values.get("body"), dict | list), source=source)


def _text(field: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str):
            raise _unfit(field, "a string", value)
        return value

    return read


def _headers(value: object) -> tuple[tuple[str, str], ...]:
    if isinstance(value, list):
        value = dict(_pair(line) for line in value)
    if not isinstance(value, dict):
        raise _unfit("headers", "an object of names and values", value)
    return tuple((name, _header(name, text)) for name, text in value.items())


def _pair(line: object) -> tuple[str, str]:
    name, colon, value = line.partition(":") if isinstance(line, str) else ("", "", "")
    if not colon:
        raise _unfit("headers", "'NAME: VALUE'", line)
    return name.strip(), value.strip()


def _header(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _unfit(f"headers: {name[:40]}", "a string", value)
    return str(value)


def _body(value: object) -> str:
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    if not isinstance(value, str):
        raise _unfit("body", "a string, an object or an array", value)
    return value


def _status(value: object) -> str:
    if isinstance(value, list):
        value = ",".join(map(str, value))
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _unfit("expect_status", "200 or '200-299,404'", value)
    try:
        statuses(str(value))
    except ValueError as error:
        raise ValueError(f"expect_status: {error}") from None
    return str(value)


def _weight(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise _unfit("weight", "a number above 0", value)
    return value


def _unfit(field: str, expected: str, value: object) -> ValueError:
    return ValueError(f"{field}: expected {expected}, got {orjson.dumps(value).decode()[:40]}")


_READERS: Mapping[str, Callable[[object], Any]] = {
    "headers": _headers,
    "body": _body,
    "expect_status": _status,
    "weight": _weight,
    **{field: _text(field) for field in ("url", "method", "body_file", "name")},
}


def shares(weights: Sequence[float]) -> list[int]:
    """Return weights as the smallest whole numbers in the same proportion."""
    exact = [Fraction(str(weight)) for weight in weights]
    scale = lcm(*(each.denominator for each in exact))
    whole = [int(each * scale) for each in exact]
    unit = gcd(*whole)
    return [each // unit for each in whole]
