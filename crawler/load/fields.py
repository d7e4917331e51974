"""The rest of a request next to its URL: method, header fields, body, as bytes on the wire.

The options of a run say it for all targets; a target of a list may say it for itself. All three may
hold templates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crawler.load.endpoint import Endpoint
from crawler.load.load_config import LoadConfig
from crawler.load.template import Pieces, bare, is_template, pieces
from crawler.model.errors import EnvironmentFailure
from crawler.model.option import OptionError
from crawler.model.version import VERSION

# RFC 9110 5.6.2: what a method and a field's name are made of.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# RFC 9110 5.5: no control characters but the tab, so that no value ends its line.
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Fields:
    """Method, header fields in order, and body; all may hold templates."""

    method: str
    headers: tuple[Header, ...]
    body: bytes

    @classmethod
    def of(cls, config: LoadConfig) -> Fields:
        """Take them from the options.

        Raises `OptionError` for what cannot be sent, `EnvironmentFailure` for an unreadable body.
        """
        option = "method"
        try:
            method = _method(config.method)
            option = "header"
            given = [_field(*_pair(line)) for line in config.header]
        except ValueError as error:
            raise OptionError(option, str(error)) from None
        body = config.body.encode()
        if config.body.startswith("@"):
            body = _file(config.body[1:])
        own = [("User-Agent", f"crawler-load/{VERSION}"), ("Accept", "*/*")]
        if not config.keepalive:
            own.append(("Connection", "close"))
        return cls(method, _over(own, given), body)

    def of_target(self, target: Endpoint) -> Fields:
        """Apply a target of a list on top of these. Raises ValueError, `EnvironmentFailure`."""
        body = target.body.encode() or self.body
        if target.body_file:
            body = _file(target.body_file)
        method = target.method or ("POST" if body and self.method == "GET" else self.method)
        given = [_field(name, value) for name, value in target.headers]
        if target.json:
            given = list(_over([("Content-Type", "application/json")], given))
        return replace(self, method=_method(method), headers=_over(self.headers, given), body=body)

    @property
    def keepalive(self) -> bool:
        """True if a connection takes another request after one of these (RFC 9112 9.6)."""
        words = self.value("connection").lower().split(",")
        return not any(word.strip() == "close" for word in words)

    def value(self, name: str) -> str:
        """Return the values of a header field, with commas between them."""
        return ",".join(value for known, value in self.headers if known.lower() == name)

    @property
    def sized(self) -> bool:
        """True if a Content-Length has to be added to the request."""
        return bool(self.body or self.method in _WITH_BODY) and not self.value("content-length")

    @property
    def templated(self) -> bool:
        """True if requests with these fields differ from each other."""
        return any(is_template(value) for _, value in self.headers) or len(self.text) > 1

    @property
    def text(self) -> Pieces:
        """The body at its placeholders; nothing of a body that has none or is not text."""
        try:
            return pieces(self.body.decode()) if b"{{" in self.body else []
        except UnicodeDecodeError:
            return []

    def lines(self, authority: str) -> Iterator[Header]:
        """Yield the header fields of a request to a host, but for a computed Content-Length."""
        if not self.value("host"):
            yield "Host", authority
        yield from self.headers

    def rest(self, authority: str) -> bytes:
        """Return all of a request but its first line, where nothing differs from hit to hit."""
        lines = [f"{name}: {value}\r\n" for name, value in self.lines(authority)]
        if self.sized:
            lines.append(f"Content-Length: {len(self.body)}\r\n")
        return "".join([*lines, "\r\n"]).encode("ascii") + self.body


def sendable(value: str) -> str:
    """Return the value of a header field; ValueError if none can hold it."""
    if not _VALUE.fullmatch(value) or not value.isascii():
        raise ValueError(f"{value!r} has a character that a header field cannot hold")
    return value


def _method(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{text!r} is not a request method")
    return text


def _pair(line: str) -> Header:
    name, colon, value = line.partition(":")
    if not colon:
        raise ValueError(f"{line!r} is not a header field; expected 'NAME: VALUE'")
    return name, value


def _field(name: str, value: str) -> Header:
    name, value = name.strip(), value.strip()
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{f'{name}: {value}'!r} is not a header field; expected 'NAME: VALUE'")
    sendable(bare(pieces(value), lambda _: ""))
    return name, value


def _over(usual: Sequence[Header], given: Sequence[Header]) -> tuple[Header, ...]:
    """Return the given fields, and those of the usual ones that are not among them."""
    names = {name.lower() for name, _ in given}
    return (*(pair for pair in usual if pair[0].lower() not in names), *given)


def _file(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise EnvironmentFailure(f"cannot read the body {path}: {error.strerror}") from error
