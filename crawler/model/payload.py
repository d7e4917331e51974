"""What a request carries next to its URL: method, header fields and body, as a list has them.

A line of a list is a JSON object:

    {"url": "https://example.com/api", "method": "POST", "headers": {"X-Run": "1"},
     "body": {"page": 1}}

A body that is an object or an array is sent as JSON and labelled so. The method of a request with a
body is POST unless the line says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import orjson

MAX_BODY = 8_388_608
"""Maximum bytes of a body: those of a line of a list."""

SENT = ("method", "headers", "body", "body_file")
"""Fields of a line that make it more than a URL."""
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY")
_ONCE = frozenset({"POST", "PATCH"})
"""Methods of `_METHODS` that are not idempotent (RFC 9110, 9.2.2; RFC 5789, 2)."""
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2: token
_VALUE = re.compile(r"[\t\x20-\x7e]*")  # RFC 9110, 5.5
_FRAMING = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"}
    | {"expect", "keep-alive", "accept-encoding"}
)
"""Headers that the crawler sets itself."""
_OF_BODY = frozenset({"content-type", "content-encoding", "content-language", "content-location"})
"""Headers that go with their body (Fetch standard, request-body-header name)."""


class Payload(NamedTuple):
    """Method, additional header fields and body of a request."""

    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @classmethod
    def read(cls, values: Mapping[str, Any], folder: Path) -> Payload | None:
        """Read the object of a line; None if it has a URL only. Raises ValueError.

        `folder` is the directory to which `body_file` is relative.
        """
        found = {name: field(name, values[name]) for name in SENT if values.get(name) is not None}
        if not found:
            return None
        headers = tuple(_header(*pair) for pair in found.get("headers", ()))
        check_bodies(found)
        body = found.get("body", "").encode()
        if found.get("body_file"):
            body = _file(folder, found["body_file"])
        if len(body) > MAX_BODY:
            raise ValueError(f"the body is longer than {MAX_BODY:,} bytes")
        method = found.get("method") or ("POST" if body else "GET")
        if method not in _METHODS:
            raise ValueError(f"method: expected one of {', '.join(_METHODS)}, got {method[:40]!r}")
        if is_json(values.get("body")) and not any(n.lower() == "content-type" for n, _ in headers):
            headers = (("Content-Type", "application/json"), *headers)
        return cls(method, headers, body)

    def __repr__(self) -> str:
        return f"Payload({self.method!r}, {len(self.headers)} headers, {len(self.body)} bytes)"

    @property
    def once(self) -> bool:
        """True if the request must not be repeated once it may have reached the server."""
        return self.method in _ONCE

    @property
    def mark(self) -> str:
        """What tells the request apart from others for its URL; "" for a GET without a body."""
        return mark_of(self.method, self.sent_hash)

    @property
    def sent_hash(self) -> str:
        """SHA-256 of the body, in hexadecimal; "" without one."""
        return sha256(self.body).hexdigest() if self.body else ""

    def turned(self) -> Payload:
        """Return the GET that a redirect makes of the request."""
        return Payload("GET", tuple(each for each in self.headers if _stays(each[0])))

    def over(self, usual: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the headers, and those of the usual ones that are not among them."""
        names = {name.lower() for name, _ in self.headers}
        return [*(pair for pair in usual if pair[0].lower() not in names), *self.headers]


GET = Payload()
"""What a request for a URL alone carries."""


def mark_of(method: str, sent_hash: str) -> str:
    """Return the `Payload.mark` of a request by what its record says of it."""
    return f"{method} {sent_hash} " if sent_hash or method != "GET" else ""


def marked(text: str, payload: Payload | None) -> str:
    """Return the text by which a request counts: that of its URL, before it method and body."""
    return text if payload is None else f"{payload.mark}{text}"


def field(name: str, value: Any) -> Any:
    """Return a field of a line: pairs for `headers`, text for the others.

    Raises ValueError with what was expected.
    """
    if name == "headers":
        if isinstance(value, list):
            value = dict(map(_pair, value))
        found = expected(name, value, dict, "an object of names and values")
        return tuple((each, _text(each, text)) for each, text in found.items())
    if name == "body":
        text = expected(name, value, str | dict | list, "a string, an object or an array")
        return text if isinstance(text, str) else orjson.dumps(text).decode()
    return expected(name, value, str, "a string")


def check_bodies(found: Mapping[str, Any]) -> None:
    """Raise ValueError if a line has a body and the name of a file with one."""
    if "body" in found and found.get("body_file"):
        raise ValueError("body and body_file are both given; leave one out")


def is_json(body: object) -> bool:
    """Tell whether a body is to be sent as JSON."""
    return isinstance(body, dict | list)


def expected(name: str, value: Any, kind: Any, wanted: str) -> Any:
    """Return the value of a field if it is of this kind, else raise ValueError."""
    if isinstance(value, bool) or not isinstance(value, kind):
        raise unfit(name, wanted, value)
    return value


def unfit(name: str, wanted: str, value: object) -> ValueError:
    """Return the error for a value that is not as it was wanted; text may be a secret."""
    kinds: dict[type, str] = {str: "text", list: "an array", dict: "an object"}
    shown = kinds.get(type(value)) or orjson.dumps(value).decode()[:40]
    return ValueError(f"{name}: expected {wanted}, got {shown}")


def _pair(line: object) -> tuple[str, str]:
    name, colon, value = line.partition(":") if isinstance(line, str) else ("", "", "")
    if not colon:
        raise unfit("headers", "'NAME: VALUE'", line)
    return name.strip(), value.strip()


def _text(name: str, value: object) -> str:
    return str(expected(f"headers: {name[:40]}", value, str | int | float, "a string"))


def _header(name: str, value: str) -> tuple[str, str]:
    name, value = name.strip(), value.strip()
    if not _NAME.fullmatch(name):
        raise ValueError(f"headers: {name[:40]!r} is not the name of a header")
    if name.lower() in _FRAMING:
        raise ValueError(f"headers: {name[:40]} is set by the crawler; leave it out")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"headers: {name[:40]} has a character that a header cannot hold")
    return name, value


def _stays(name: str) -> bool:
    return name.lower() not in _OF_BODY


def _file(folder: Path, name: str) -> bytes:
    """Read a file below the folder of the list: who has written the list may be a stranger."""
    path = folder / name
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise PermissionError(0, "it is outside of the list's directory")
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise ValueError
        with path.open("rb") as file:
            return file.read(MAX_BODY + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a file"
        raise ValueError(f"body_file: cannot read {str(path)[:200]}: {why}") from None
