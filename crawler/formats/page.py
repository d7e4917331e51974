"""Extract the record fields of a response: `page`, a pure function that any executor can run.

Frostwork is the default HTML library for its low cost and its agreement with the HTML standard
(`python -m tests.formats.agreement` compares it with html5lib). Remaining differences: `<a>` in
SVG, MathML, `<select>` or a frameset counts, an empty first `<title>` gives way to a later one, and
wrongly nested templates are cut at other places.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from hashlib import sha256
from typing import Any, Final

from crawler.formats import caps, charset, content, follow, html, links, refresh, sniff
from crawler.formats.follow import Following, closed, directives
from crawler.formats.found import Found, without
from crawler.formats.refresh import Refresh
from crawler.model.choices import Html
from crawler.model.content_config import NO_CONTENT, ContentConfig
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
_SPACES: Final = "\t\n\f\r "
_RUN = re.compile(r"[\t\n\f\r][\t\n\f\r ]*| [\t\n\f\r ]+")  # but for single spaces


def page(
    response: RawResponse,
    following: Following | None = None,
    library: Html = "frostwork",
    asked: ContentConfig = NO_CONTENT,
) -> Document:
    """Return the fields of `response` as JSON; null or empty for anything but HTML.

    following: compute leads, too. library: the HTML library. asked: the content to extract. Never
    raises for any body; `response.url` has to be an absolute http(s) URL (`ValueError`).
    """
    more = content.nothing(asked)
    if sniff.is_html(response.content_type, response.body):
        fields, leads, base = _read(response, following, library)
        if more:
            more = content.content(charset.text(response.body, fields["charset"]), base, asked)
    elif response.refresh:  # not HTML, but it sends visitors on: an empty page
        fields, leads, _ = _read(replace(response, body=b""), following, library)
        fields["charset"] = None
    else:
        fields, leads = _NOTHING, None
    return Document(json=_encoded(fields, response.body, more), leads=leads)


def unparsed(response: RawResponse) -> Document:
    """Return the record fields of a response that is not parsed: only its hash."""
    return Document(json=_encoded(_NOTHING, response.body, {}))


def _encoded(fields: dict[str, Any], body: bytes, more: dict[str, Any]) -> bytes:
    """Encode the fields and the body's hash; links, mostly plain ASCII, are encoded separately.

    So the part that has to be searched for unsafe characters is short.
    """
    texts = fields.copy()
    after = {"links": texts.pop("links"), "body_hash": sha256(body).hexdigest()}
    if left_off := texts.pop("links_left_off", 0):
        after["links_left_off"] = left_off
    parts = (dumps(part)[1:-1] for part in (texts, after, more) if part)
    return b"{%b}" % b",".join(parts)


def _read(
    response: RawResponse, following: Following | None, library: Html
) -> tuple[dict[str, Any], Leads | None, str]:
    """Return the fields, the leads, and the base of relative links."""
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
    if robots:
        fields["robots"] = _kept(robots)
    if sent_on is not None:
        fields["refresh"] = sent_on._asdict()
    if following is None:
        return fields, None, base
    shut = closed([*robots, *_directives(list(found.own_robots))])
    leads = _leads(fields["links"], found, base, following, shut=shut)
    if sent_on is not None and sent_on.redirects and not shut:
        leads = leads._replace(refresh=sent_on.url)
    return fields, leads, base


def _refreshed(response: RawResponse, found: Found, base: str) -> tuple[Found, Refresh | None]:
    """Return `found` with the hrefs of all links, and the refresh that browsers would obey."""
    if not (response.refresh or found.refreshes or found.scriptless or found.related):
        return found, None  # as on nearly all pages
    header = refresh.valid([response.refresh], response.url)
    acting = header + refresh.valid(found.refreshes, base)
    ahead = [each.url for each in acting + refresh.valid(found.scriptless, base) if each.url]
    hrefs = [*found.related, *found.hrefs, *ahead]
    return found._replace(hrefs=hrefs), acting[0] if acting else None


def _kept(robots: list[str]) -> list[str]:
    return [caps.cut(name, caps.DIRECTIVE) for name in robots[: caps.DIRECTIVES]]


def _leads(urls: list[str], found: Found, base: str, following: Following, *, shut: bool) -> Leads:
    if shut:
        followed: set[str] | None = set()
    elif found.nofollow:
        followed = set(links.absolute(without(found.hrefs, found.nofollow), base))
    else:
        followed = None
    tracking = _tracking(following.drop_params)
    return follow.leads(urls, followed, found.texts, found.linked, tracking)


@cache
def _tracking(names: tuple[str, ...]) -> Tracking:
    return Tracking(names)


def _fields(encoding: str, found: Found, base: str) -> dict[str, Any]:
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
    """Return the base of relative links: the first `<base href>`, if it is http(s)."""
    document = serialised(url)
    base = links.join(bases[0], document) if bases else None
    return base if base and len(base) <= caps.URL else document


def _first(values: list[str], most: int) -> str | None:
    return caps.cut(_RUN.sub(" ", values[0]).strip(_SPACES), most) or None if values else None


def _canonical(values: list[str], base: str) -> str | None:
    href = values[0].strip(_SPACES) if values else ""
    url = links.join(href, base) if href else None
    return url if url and len(url) <= caps.URL else None


def _directives(contents: list[str]) -> list[str]:
    if not contents:
        return []
    names = (name.strip(_SPACES).lower() for name in ",".join(contents).split(","))
    return list(dict.fromkeys(name for name in names if name))
