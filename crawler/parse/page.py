"""From one response to its record fields: `page`, a pure function that any executor can run.

The HTML library was chosen by what it costs and how far it agrees with the HTML standard.

Cost in us a page: all record fields of each library from the same bytes, links not yet joined; the
521 pages of python3.11-doc under 400 KB (54 KB in the median, 82 KB in the mean, every sixth),
best of 9 interleaved rounds; gain: two threads against one over the same pages; CPython 3.11:

    frostwork 0.1.6 (`html.find`)      204 median   320 mean   gain 1.91
    turbohtml 1.15                     321          475        gain 0.98 (holds the GIL)
    selectolax 1.0.2 (lexbor)          390          641        gain 1.66
    lxml 6.1                           741         1303
    `page`, all of it                  324          492        gain 1.72
      of this: charset 12, links 51, SHA-256 28, the rest JSON and small change

Agreement with html5lib (`python -m tests.parse.agreement`): the same set of links, in the same
order, on 260 of 260 pages of readability's tests and 530 of 530 of the Python docs, and the same
set on 1,044 of 1,044 of trafilatura's (one in another order); 145,146 links, none missing or extra.
Two columns make this so: links in `<template>` are taken off, with them the library alone differs
on 13 pages. In 40,000 heaps of tags without `<svg>`, `<math>`, `<select>`, `<template>`,
`<frameset>` and `<plaintext>` no link differed. What differs beyond that: `<a>` in SVG, MathML,
`<select>` or a frameset counts here, an empty first `<title>` gives way to a later one (one page of
1,834), and a tree whose templates are nested wrongly is cut at other places.
"""

from __future__ import annotations

import re
from hashlib import sha256
from time import perf_counter
from typing import Any, Final

import ada_url
import orjson

from crawler.model.document import Document, Response
from crawler.parse import charset, html, links

_HTML: Final = ("text/html", "application/xhtml+xml")
_UNKNOWN: Final = ("", "application/octet-stream", "unknown/unknown", "application/unknown", "*/*")
_SNIFFED = re.compile(
    rb"[\t\n\f\r ]*<(?:!--|(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title"
    rb"|b|body|br|p)[ >])",
    re.IGNORECASE,
)  # MIME Sniffing 7.1, what begins an HTML page
_SNIFF: Final = 1445  # bytes; the MIME Sniffing standard's resource header
_NOTHING: Final[dict[str, Any]] = {
    "charset": None,
    "title": None,
    "description": None,
    "canonical": None,
    "language": None,
    "robots": [],
    "links": [],
}
_SPACES: Final = "\t\n\f\r "
_RUN = re.compile(r"[\t\n\f\r ]+")


def page(response: Response) -> Document:
    """The fields of `response` as JSON; those of anything but HTML are null or empty.

    Never raises for any body; `response.url` has to be an absolute http(s) URL (`ValueError`).
    """
    start = perf_counter()
    fields = _fields(response) if is_html(response) else _NOTHING
    encoded = orjson.dumps(fields | {"body_hash": sha256(response.body).hexdigest()})
    return Document(json=encoded, seconds=perf_counter() - start)


def unparsed(response: Response) -> Document:
    """The record fields of a response that is not looked into: its hash, and nothing else."""
    start = perf_counter()
    encoded = orjson.dumps(_NOTHING | {"body_hash": sha256(response.body).hexdigest()})
    return Document(json=encoded, seconds=perf_counter() - start)


def is_html(response: Response) -> bool:
    """Whether the header says HTML or, where it says nothing, the first bytes do."""
    kind = response.content_type.partition(";")[0].strip().lower()
    if kind in _HTML:
        return True
    if kind not in _UNKNOWN:
        return False
    head = response.body[:_SNIFF]
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        head = charset.decode(head)[0].encode()
    return _SNIFFED.match(head) is not None


def _fields(response: Response) -> dict[str, Any]:
    encoding = charset.detect(response.body, response.content_type)
    found = html.find(response.body, encoding)
    base = _base(response.url, found.bases)
    return {
        "charset": encoding,
        "title": _first(found.titles),
        "description": _first(found.descriptions),
        "canonical": _canonical(found.canonicals, base),
        "language": _first(found.languages),
        "robots": _directives(found.robots),
        "links": links.absolute(found.hrefs, base),
    }


def _base(url: str, bases: list[str]) -> str:
    """The URL that links are relative to: the first `<base href>`, if it is http(s)."""
    document = ada_url.normalize_url(url)
    return (bases and links.join(bases[0], document)) or document


def _first(values: list[str]) -> str | None:
    """The first value, its ASCII whitespace collapsed; None where nothing is left."""
    return _RUN.sub(" ", values[0]).strip(_SPACES) or None if values else None


def _canonical(values: list[str], base: str) -> str | None:
    href = values[0].strip(_SPACES) if values else ""
    return links.join(href, base) if href else None


def _directives(contents: list[str]) -> list[str]:
    names = (name.strip(_SPACES).lower() for name in ",".join(contents).split(","))
    return list(dict.fromkeys(name for name in names if name))
