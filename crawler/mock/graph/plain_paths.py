"""The plain paths, each a pure function of its arguments and the request.

`crawler.mock.server.inventory` lists them with their arguments. `/robots.txt`, sitemaps and traps
have their own modules.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from urllib.parse import quote

from crawler.mock.graph import flat_pages, robots_forms, trap_pages
from crawler.mock.reply import Answer, Ask, PathError, content, count, notice
from crawler.mock.scenario import MockWeb

Path = Callable[[Sequence[str], Ask, MockWeb], Answer]

HTML = "text/html; charset=utf-8"
# One block is repeated, so that a body of any size costs no memory.
_OCTETS = bytes(range(256)) * 256
_MAX_BYTES = 1 << 30
# An unescaped `+` is a blank after decoding.
_OFFSET = re.compile(r"[+ -]?[0-9]{1,9}")
_CHARSET_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,40}")
# A word or two per script, so that a page has something to get wrong in nearly every charset.
CHARSET_TEXT = (
    "Grüße, café, naïve: Привет, мир. Γειά σου. 日本語のページ。 中文网页。 한국어 페이지."  # noqa: RUF001
)


def missing(ask: Ask) -> Answer:
    """Return the answer for a path that does not exist."""
    return notice(404, f"nothing at {quote(ask.path[:200])}")


def _page(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Answer:
    (text,) = _exactly(1, arguments)
    # Only the plain spelling exists: /page/07 would be a second URL of one page.
    if not (text.isascii() and text.isdigit() and len(text) < 11 and str(int(text)) == text):
        return missing(ask)
    if int(text) >= options.pages:
        return missing(ask)
    return content(flat_pages.page(options, int(text), f"{ask.scheme}://{ask.host}"), HTML)


def _robots(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Answer:
    _exactly(0, arguments)
    return robots_forms.answer(ask, options)


def _status(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Answer:
    (text,) = _exactly(1, arguments)
    code = _code(text)
    retry_after = _retry_after(ask)
    headers = (("Retry-After", _field(retry_after)),) if retry_after else ()
    return notice(code, f"status {code}, as asked", headers=headers)


def _retry_after(ask: Ask) -> str:
    """Return the value of `?retry-after=`, with `date:+S` as the HTTP date S seconds from now.

    Only this answer reads the wall clock, as the client compares the date with its own.
    """
    text = ask.query("retry-after", "")
    kind, colon, offset = text.partition(":")
    if kind != "date" or not colon:
        return text
    if not _OFFSET.fullmatch(offset):
        raise PathError(f"expected date:+SECONDS or date:-SECONDS, got {text[:40]!r}")
    ask.settled = False
    return formatdate(time.time() + int(offset), usegmt=True)


def _redirects(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Answer:
    (text,) = _exactly(1, arguments)
    left = count(text, 10_000)
    return _redirect(f"/redirect/{left - 1}" if left > 1 else "/page/0")


def _redirect_loop(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Answer:
    _exactly(0, arguments)
    return _redirect(ask.target)


def _redirect_to(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Answer:
    _exactly(0, arguments)
    return _redirect(ask.query("url", "/page/0"), _code(ask.query("status", "302")))


def _bytes(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Answer:
    (text,) = _exactly(1, arguments)
    whole, rest = divmod(count(text, _MAX_BYTES), len(_OCTETS))
    pieces = (_OCTETS,) * whole + ((_OCTETS[:rest],) if rest else ())
    return Answer(headers=(("Content-Type", "application/octet-stream"),), pieces=pieces)


def _flaky(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Answer:
    times, _ = _exactly(2, arguments)
    if ask.attempt < count(times, 1_000_000):
        return notice(503, f"attempt {ask.attempt + 1} fails, as asked")
    return _page(("0",), ask, options)


def _charset(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Answer:
    (name,) = _exactly(1, arguments)
    declare = ask.query("declare", "header")
    if not _CHARSET_NAME.fullmatch(name) or declare not in ("header", "meta", "both", "none"):
        raise PathError("expected a charset's name and declare=header|meta|both|none")
    meta = f'<meta charset="{name}">\n' if declare in ("meta", "both") else ""
    text = (
        f"<!DOCTYPE html>\n<html>\n<head>\n{meta}<title>{CHARSET_TEXT}</title>\n</head>\n"
        f'<body>\n<p>{CHARSET_TEXT}</p>\n<a href="/page/0">page 0</a>\n</body>\n</html>\n'
    )
    parameter = f"; charset={name}" if declare in ("header", "both") else ""
    return content(_encoded(text, name), f"text/html{parameter}")


def _encoded(text: str, charset: str) -> bytes:
    try:
        return text.encode(charset, "xmlcharrefreplace")
    except (LookupError, UnicodeError) as error:
        raise PathError(f"cannot write a page in the charset {charset}") from error


def _etag(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Answer:
    (name,) = _exactly(1, arguments)
    return notice(200, f"{quote(name)} never changes")


def _echo_headers(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Answer:
    _exactly(0, arguments)
    fields: dict[str, str] = {}
    for name, value in ask.headers:
        key = name.lower()
        fields[key] = f"{fields[key]}, {value}" if key in fields else value
    return content(json.dumps(fields, indent=1).encode(), "application/json")


def _nonhtml(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Answer:
    _exactly(0, arguments)
    return content(b"%PDF-1.4\n" + _OCTETS[:2048] + b"\n%%EOF\n", "application/pdf")


def _redirect(location: str, status: int = 302) -> Answer:
    return notice(status, "elsewhere", headers=(("Location", _field(location)),))


def _code(text: str) -> int:
    code = count(text, 999)
    if code < 200:  # after a 1xx the client would wait for the final answer for ever
        raise PathError(f"expected a status from 200 to 999, got {code}")
    return code


def _field(value: str) -> str:
    """Return a header field's value from a query, with line ends percent-encoded."""
    return quote(value, safe=":/?#[]@!$&'()*+,;=%~ ")


def _exactly(wanted: int, arguments: Sequence[str]) -> Sequence[str]:
    if len(arguments) != wanted:
        raise PathError(f"expected {wanted} path arguments, got {len(arguments)}")
    return arguments


PATHS: Mapping[str, Path] = {
    "page": _page,
    "private": _page,
    "robots.txt": _robots,
    robots_forms.HOPS: robots_forms.hop,
    "trap": trap_pages.trap,
    "status": _status,
    "redirect": _redirects,
    "redirect-loop": _redirect_loop,
    "redirect-to": _redirect_to,
    "bytes": _bytes,
    "flaky": _flaky,
    "etag": _etag,
    "charset": _charset,
    "echo-headers": _echo_headers,
    "nonhtml": _nonhtml,
}
