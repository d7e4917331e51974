"""A request as a line, with all that it carries: what waits outside of memory.

A line is a JSON array of values in the order of `_values`, without those at its end that are as
usual. What the list has as the URL's own text, as most of it is, is that text and its time with a
blank between them: reading far ahead has to be cheap. Either takes some 30 bytes more than the URL.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from math import inf
from typing import Any

import orjson

from crawler.model.payload import Payload
from crawler.model.request import Cookie, Hop, Listed, Purpose, Request
from crawler.model.url import Url

_USUAL: tuple[Any, ...] = (0, 0, 0, b"", "page", 0, "", "", 1, 1, 0, "", (), (), 0)
"""What the values after the URL are in most requests; 0 for a seed or an input like the URL."""


def lined(request: Request | Listed) -> bytes:
    """Return the line of a request, with its line end."""
    if isinstance(request, Listed):
        href, seed = request.url.href, request.seed
        if seed.input == href and not seed.source and seed.payload is None:
            return f"{href} {request.admitted_at!r}\n".encode()
        request = request.request()
    values = _values(request)
    number = len(values)
    while number > 1 and values[number - 1] == _USUAL[number - 2]:
        number -= 1
    try:
        return orjson.dumps(values[:number], default=bytes.decode) + b"\n"
    except TypeError:  # a cookie may hold bytes that are not UTF-8, as lone surrogates
        return json.dumps(values[:number], default=bytes.decode).encode() + b"\n"


def _values(request: Request) -> list[Any]:
    href = request.url.href
    return [
        href,
        request.admitted_at,
        request.seed if request.seed != href else 0,
        request.input if request.input != href else 0,
        request.source,
        request.purpose.value,
        request.depth,
        request.found_on,
        request.origin,
        request.attempts,
        request.attempt,
        request.doubtful,
        request.owner,
        tuple((hop.url, hop.status, hop.cookies) for hop in request.hops),
        tuple(map(_cookie_values, request.cookies)),
        _payload_values(request.payload),
    ]


def _payload_values(payload: Payload | None) -> Any:
    if payload is None:
        return 0
    return payload.method, payload.headers, b64encode(payload.body)


def _cookie_values(cookie: Cookie) -> list[Any]:
    rights = [cookie.domain, cookie.path, cookie.host_only, cookie.secure]
    return [cookie.name, cookie.value, *rights, None if cookie.expires == inf else cookie.expires]


def request_of(line: bytes) -> Request:
    """Return the request of a line."""
    if not line.startswith(b"["):
        href, _, since = line.decode().partition(" ")
        return Request(url=Url(href), seed=href, input=href, admitted_at=float(since))
    try:
        given = orjson.loads(line)
    except orjson.JSONDecodeError:
        given = json.loads(line)
    values = [*given, *_USUAL[len(given) - 1 :]]
    href, admitted_at, seed, text, source, purpose, depth, found_on, origin = values[:9]
    attempts, attempt, doubtful, owner, hops, cookies, payload = values[9:]
    return Request(
        url=Url(href),
        seed=seed or href,
        input=href if text == 0 else text,
        source=source.encode() if isinstance(source, str) else source,
        admitted_at=admitted_at,
        purpose=Purpose(purpose),
        depth=depth,
        found_on=found_on,
        origin=origin,
        attempts=attempts,
        attempt=attempt,
        doubtful=doubtful,
        owner=owner,
        hops=tuple(Hop(url=url, status=status, cookies=jar) for url, status, jar in hops),
        cookies=tuple(map(_cookie, cookies)),
        payload=_read_payload(*payload) if payload else None,
    )


def _read_payload(method: str, headers: list[list[str]], body: str) -> Payload:
    return Payload(method, tuple((name, value) for name, value in headers), b64decode(body))


def _cookie(values: list[Any]) -> Cookie:
    name, value, domain, path, host_only, secure, expires = values
    return Cookie(
        name=name,
        value=value,
        domain=domain,
        path=path,
        host_only=host_only,
        secure=secure,
        expires=inf if expires is None else expires,
    )
