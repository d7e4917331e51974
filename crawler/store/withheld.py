"""Lines of a list as records, logs and messages may show them: without what a request keeps secret.

A line is recorded as it was spelled if its request cannot be made. What it has next to the URL may
be a password: values of headers that look like credentials are left out, bodies and credentials in
URLs, too. A digest takes a body's place, so that lines remain apart.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

import orjson

from crawler.model.output import dumps
from crawler.model.secrets import hidden, is_secret
from crawler.model.url import masked

_REQUEST = re.compile(r'"(?:headers|body)"')


def withheld(line: str) -> str:
    """Return a line of JSON that cannot be used, without the secrets of its request."""
    line = masked(line)
    found = _REQUEST.search(line)
    if found is None:
        return line
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:  # where a value ends is unknown
        return f"{line[: found.end()]}{_digest(line[found.end() :])}"
    if not isinstance(value, dict):
        return f"{line[: found.end()]}{_digest(line[found.end() :])}"
    shown = {name: _shown(name, each) for name, each in value.items()}
    return line if shown == value else dumps(shown).decode()


def column_withheld(name: str, value: Any) -> Any:
    """Return a field of a request that is to be kept: of headers not the values of credentials."""
    if name == "headers":
        return _headers(value)
    return "***" if name.startswith("headers.") and is_secret(name[8:]) else value


def _headers(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: "***" if is_secret(name) else each for name, each in value.items()}
    if isinstance(value, list):
        return [_line(each) if isinstance(each, str) else each for each in value]
    return _line(value) if isinstance(value, str) else value


def _line(text: str) -> str:
    return hidden(text) if ":" in text or not is_secret(text) else "***"


def _shown(name: str, value: Any) -> Any:
    if name == "headers":
        return _headers(value)
    if name == "body" and isinstance(value, str | dict | list):
        return _digest(value if isinstance(value, str) else orjson.dumps(value).decode())
    return value


def _digest(text: str) -> str:
    return f"*** {sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
