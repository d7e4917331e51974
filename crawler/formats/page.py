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

Agreement with html5lib (`python -m tests.formats.agreement`): the same set of links, in the same
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
from dataclasses import replace
from functools import cache
from hashlib import sha256
from typing import Any, Final

from crawler.formats import caps, charset, follow, html, links, refresh, sniff
from crawler.formats.follow import Following, closed, directives
from crawler.formats.refresh import Refresh
from crawler.model.choices import Html
from crawler.model.document import Document, Leads, RawResponse
from crawler.model.output import dumps
from crawler.model.url import Tracking, serialised

_NOTHING: Final[dict[str, Any]] = {
    "charset": None,
    "title": None,
    "description": None,
    "canonical": None,
    "language": None,
    "robots": [],
    "refresh": None,
    "links": [],
}
_AFTER: Final = ("links", "links_left_off")
_SPACES: Final = "\t\n\f\r "
_RUN = re.compile(r"[\t\n\f\r ]+")


def page(
    response: RawResponse, following: Following | None = None, library: Html = "frostwork"
) -> Document:
    """The fields of `response` as JSON; those of anything but HTML are null or empty.

    following: tells where it leads to, too. library: who reads the markup. Never raises for any
    body; `response.url` has to be an absolute http(s) URL (`ValueError`).
    """
    if is_html(response):
        fields, leads = _read(response, following, library)
    elif response.refresh:  # whatever it is, it sends its visitors on: a page without a word
        fields, leads = _read(replace(response, body=b""), following, library)
        fields["charset"] = None
    else:
        fields, leads = _NOTHING, None
    return Document(json=_encoded(fields, response.body), leads=leads)


def unparsed(response: RawResponse) -> Document:
    """The record fields of a response that is not looked into: its hash, and nothing else."""
    return Document(json=_encoded(_NOTHING, response.body))


def _encoded(fields: dict[str, Any], body: bytes) -> bytes:
    """The fields and the body's hash; links, the most of it, are plain ASCII and go by themselves.

    So what is left to be looked through, for what may not be shown, is short.
    """
    texts = {name: value for name, value in fields.items() if name not in _AFTER}
    after = {"links": fields["links"], "body_hash": sha256(body).hexdigest()}
    if fields.get("links_left_off"):
        after["links_left_off"] = fields["links_left_off"]
    return b"%b,%b" % (dumps(texts)[:-1], dumps(after)[1:])


def is_html(response: RawResponse) -> bool:
    """Tell whether the header says HTML or, where it says nothing, the first bytes do."""
    return sniff.is_html(response.content_type, response.body)


def _read(
    response: RawResponse, following: Following | None, library: Html
) -> tuple[dict[str, Any], Leads | None]:
    encoding = charset.detect(response.body, response.content_type)
    token = following.token if following is not None else ""
    found = html.find(response.body, encoding, token=token, library=library)
    base = _base(response.url, found.bases)
    robots = _directives(found.robots)
    if response.robots_tag:
        robots = list(dict.fromkeys([*robots, *directives(response.robots_tag, "")]))
    found, moved = _refreshed(response, found, base)
    sent_on = moved if moved is not None and moved.url else None
    fields = _fields(encoding, found, base)
    fields |= {"robots": _kept(robots), "refresh": sent_on and sent_on._asdict()}
    if following is None:
        return fields, None
    shut = closed([*robots, *_directives(list(found.own_robots))])
    leads = _leads(fields["links"], found, base, following, shut=shut)
    if sent_on is not None and sent_on.redirects and not shut:
        leads = leads._replace(refresh=sent_on.url)
    return fields, leads


def _refreshed(
    response: RawResponse, found: html.Found, base: str
) -> tuple[html.Found, Refresh | None]:
    """`found` with the hrefs of all that is a link, and the refresh that browsers would obey."""
    if not (response.refresh or found.refreshes or found.scriptless or found.related):
        return found, None  # as on nearly all pages
    header = refresh.valid([response.refresh], response.url)
    acting = header + refresh.valid(found.refreshes, base)
    ahead = [each.url for each in acting + refresh.valid(found.scriptless, base) if each.url]
    hrefs = [*found.related, *found.hrefs, *ahead]
    return found._replace(hrefs=hrefs), acting[0] if acting else None


def _kept(robots: list[str]) -> list[str]:
    return [caps.cut(name, caps.DIRECTIVE) for name in robots[: caps.DIRECTIVES]]


def _leads(
    urls: list[str], found: html.Found, base: str, following: Following, *, shut: bool
) -> Leads:
    if shut:
        followed: set[str] | None = set()
    elif found.nofollow:
        followed = set(links.absolute(html.without(found.hrefs, found.nofollow), base))
    else:
        followed = None
    tracking = _tracking(following.drop_params)
    return follow.leads(urls, followed, found.texts, found.linked, tracking)


@cache
def _tracking(names: tuple[str, ...]) -> Tracking:
    return Tracking(names)


def _fields(encoding: str, found: html.Found, base: str) -> dict[str, Any]:
    leads = links.capped(found.hrefs, base)
    return {
        "charset": encoding,
        "title": _first(found.titles, caps.TITLE),
        "description": _first(found.descriptions, caps.DESCRIPTION),
        "canonical": _canonical(found.canonicals, base),
        "language": _first(found.languages, caps.LANGUAGE),
        "robots": [],
        "refresh": None,
        "links": leads.urls,
        "links_left_off": leads.left_off,
    }


def _base(url: str, bases: list[str]) -> str:
    """The URL that links are relative to: the first `<base href>`, if it is http(s)."""
    document = serialised(url)
    base = links.join(bases[0], document) if bases else None
    return base if base and len(base) <= caps.URL else document


def _first(values: list[str], most: int) -> str | None:
    """The first value, its ASCII whitespace collapsed; None where nothing is left."""
    return caps.cut(_RUN.sub(" ", values[0]).strip(_SPACES), most) or None if values else None


def _canonical(values: list[str], base: str) -> str | None:
    href = values[0].strip(_SPACES) if values else ""
    url = links.join(href, base) if href else None
    return url if url and len(url) <= caps.URL else None


def _directives(contents: list[str]) -> list[str]:
    names = (name.strip(_SPACES).lower() for name in ",".join(contents).split(","))
    return list(dict.fromkeys(name for name in names if name))
