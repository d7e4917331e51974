"""What is asked: URLs and options, made into bytes once and sent as often as wanted.

A `Plan` has the origins of the list in the order of their first URLs, and every request in the
order in which hits take them: the list's own with seed 0, else shuffled by the seed.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from crawler.load.options import LoadConfig
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.option import OptionError
from crawler.model.url import InvalidUrl, parse
from crawler.model.version import VERSION

# RFC 9110 5.6.2: what a method and a field's name are made of.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# RFC 9110 5.5: no control characters but the tab, so that no value ends its line.
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")


class Origin(NamedTuple):
    """A server by name: where requests go. `host` is without brackets."""

    tls: bool
    host: str
    port: int

    @property
    def authority(self) -> str:
        """What the Host field says: the port only if it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}"


class Planned(NamedTuple):
    """One request: the number of its origin, its bytes for the raw engine, and its URL."""

    origin: int
    data: bytes
    url: str


@dataclass(frozen=True, slots=True)
class Fields:
    """What all requests share: method, header fields in order, body."""

    method: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def of(cls, config: LoadConfig) -> Fields:
        """As the options have it.

        Raises `OptionError` for what cannot be sent, `EnvironmentFailure` for an unreadable body.
        """
        if not _TOKEN.fullmatch(config.method):
            raise OptionError("method", f"{config.method!r} is no request method")
        body = _body(config.body)
        given = tuple(_field(line) for line in config.header)
        names = {name.lower() for name, _ in given}
        own = [("User-Agent", f"crawler-load/{VERSION}"), ("Accept", "*/*")]
        if body or config.method in {"POST", "PUT", "PATCH"}:
            own.append(("Content-Length", str(len(body))))
        if not config.keepalive:
            own.append(("Connection", "close"))
        kept = tuple(pair for pair in own if pair[0].lower() not in names)
        return cls(config.method, kept + given, body)

    @property
    def keepalive(self) -> bool:
        """Whether a connection takes another request after one of these (RFC 9112 9.6)."""
        values = [value for name, value in self.headers if name.lower() == "connection"]
        return not any(word.strip().lower() == "close" for word in ",".join(values).split(","))


@dataclass(frozen=True, slots=True)
class Plan:
    """Every request of a run, and the origins that they go to."""

    fields: Fields
    origins: tuple[Origin, ...]
    order: tuple[Planned, ...]

    @classmethod
    def of(cls, config: LoadConfig, urls: Sequence[str]) -> Plan:
        """From a list of URLs; raises `ConfigurationError` if it is empty or holds what is none."""
        if not urls:
            raise ConfigurationError("no URL to load: give one, or a list with -i")
        fields = Fields.of(config)
        origins: dict[Origin, int] = {}
        heads: list[bytes] = []
        order = []
        for text in urls:
            url = _read(text)
            parts = urlsplit(url)
            tls = parts.scheme == "https"
            origin = Origin(tls, parts.hostname or "", parts.port or (443 if tls else 80))
            number = origins.setdefault(origin, len(origins))
            if number == len(heads):
                heads.append(_head(origin, fields))
            path = url[url.index("/", len(parts.scheme) + 3) :]
            line = f"{fields.method} {path} HTTP/1.1\r\n".encode("ascii")
            order.append(Planned(number, line + heads[number], url))
        if config.seed:
            random.Random(config.seed).shuffle(order)  # noqa: S311 - an order, not a secret
        return cls(fields, tuple(origins), tuple(order))

    def requests(self, origin: int) -> list[bytes]:
        """The requests to one origin, in order."""
        return [planned.data for planned in self.order if planned.origin == origin]

    def shared_out(self, connections: int) -> list[int]:
        """How many of the connections each origin has: by its share of the list, at least one.

        Raises `OptionError` if there are more origins than connections.
        """
        if len(self.origins) > connections:
            problem = f"the list has {len(self.origins)} servers; each needs a connection"
            raise OptionError("connections", f"{connections}: {problem}")
        counts = [0] * len(self.origins)
        for planned in self.order:
            counts[planned.origin] += 1
        spare, whole = connections - len(counts), len(self.order)
        shares = [1 + spare * count // whole for count in counts]
        by_rest = sorted(range(len(counts)), key=lambda number: -(spare * counts[number] % whole))
        for number in by_rest[: connections - sum(shares)]:
            shares[number] += 1
        return shares


def _read(text: str) -> str:
    url = parse(text)
    if isinstance(url, InvalidUrl):
        raise ConfigurationError(f"cannot load {text!r}: {url.reason}")
    return url.href


def _body(text: str) -> bytes:
    if not text.startswith("@"):
        return text.encode()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise EnvironmentFailure(f"cannot read the body {text[1:]}: {error.strerror}") from error


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not _TOKEN.fullmatch(name):
        raise OptionError("header", f"{line!r} is no header field; write 'NAME: VALUE'")
    if not _VALUE.fullmatch(value) or not value.isascii():
        raise OptionError("header", f"{line!r} has a character that no header field may hold")
    return name, value


def _head(origin: Origin, fields: Fields) -> bytes:
    """All of a request but its first line."""
    lines = [f"{name}: {value}" for name, value in fields.headers]
    if not any(name.lower() == "host" for name, _ in fields.headers):
        lines.insert(0, f"Host: {origin.authority}")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + fields.body
