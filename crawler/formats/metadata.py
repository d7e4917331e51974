"""The extractor `metadata`: what a page says about itself to programs.

It reads meta elements, JSON-LD (with `@graph`), microdata, OpenGraph, feeds and hreflang. Values
are as the page has them, URLs absolute. Every part is bounded: depth, entries, and 1 MB for each of
JSON-LD, microdata and OpenGraph, which are null above that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson
from turbohtml import Document, MicrodataItem

from crawler.formats import by_turbohtml, caps, links, sniff
from crawler.formats.response import Response
from crawler.model.output import dumps

_FEEDS: Final = (
    "link[rel~=alternate i][href][type='application/rss+xml' i], "
    "link[rel~=alternate i][href][type='application/atom+xml' i], "
    "link[rel~=alternate i][href][type='application/feed+json' i]"
)
_DEEPEST: Final = 32  # levels of JSON-LD and microdata that are kept; real ones have up to ten


def metadata(response: Response) -> dict[str, Any] | None:
    """Return the metadata of a page, null or empty where it has none; None if it is not HTML."""
    if not sniff.is_html(response.content_type, response.body):
        return None
    tree = by_turbohtml.parse(response.text)
    base = links.join(tree.base_url(), response.url) or response.url
    article, data = tree.article(), tree.structured_data(base)
    json_ld = _bounded(data.json_ld)
    described = list(_objects(json_ld or []))
    published = by_turbohtml.first(tree, "meta[property='article:published_time' i]", "content")
    return {
        "author": article.byline or _named(described, "author"),
        "date": published or _text(described, "datePublished") or article.date,
        "modified": by_turbohtml.first(tree, "meta[property='article:modified_time' i]", "content")
        or _text(described, "dateModified"),
        "site": article.site_name or _named(described, "publisher"),
        "keywords": [caps.cut(tag, caps.TITLE) for tag in article.tags[: caps.DIRECTIVES]],
        "image": links.join(article.image, base) if article.image else None,
        "images": links.absolute(by_turbohtml.attributes(tree, "img[src]", "src"), base),
        "feeds": _linked(tree, base, _FEEDS, ("type", "title")),
        "hreflang": _linked(tree, base, "link[rel~=alternate i][hreflang][href]", ("hreflang",)),
        "opengraph": _bounded(data.opengraph),
        "json_ld": json_ld,
        "microdata": _bounded(data.microdata),
    }


def _linked(
    tree: Document, base: str, selector: str, names: tuple[str, ...]
) -> list[dict[str, str | None]]:
    found: list[dict[str, str | None]] = []
    for element in tree.select(selector)[: caps.ALTERNATES]:
        url = links.join(element.attr("href") or "", base)
        if url and len(url) <= caps.URL:
            texts = {name: element.attr(name) for name in names}
            cut = {name: text and caps.cut(text, caps.TITLE) for name, text in texts.items()}
            found.append({"url": url, **cut})
    return found


def _objects(items: list[Any]) -> Iterator[dict[str, Any]]:
    """Yield the objects at the top of JSON-LD, and those of their `@graph`."""
    for item in items:
        if isinstance(item, list):
            yield from _objects(item)
        elif isinstance(item, dict):
            yield item
            graph = item.get("@graph")
            if isinstance(graph, list):
                yield from _objects(graph)


def _text(objects: list[dict[str, Any]], key: str) -> str | None:
    """Return the first text under `key`."""
    return next((each[key] for each in objects if isinstance(each.get(key), str)), None)


def _named(objects: list[dict[str, Any]], key: str) -> str | None:
    """Return the first name under `key`: a text, an object with a name, or a list of either."""
    for each in objects:
        found = each.get(key)
        found = found[0] if isinstance(found, list) and found else found
        name = found.get("name") if isinstance(found, dict) else found
        if isinstance(name, str) and name:
            return name
    return None


def _plain(value: Any, depth: int = _DEEPEST) -> Any:
    """Return what orjson can write: no deep nesting, no integers above 64 bits."""
    if isinstance(value, MicrodataItem):
        own = {"type": value.type, "id": value.id, "properties": value.properties}
        return _plain(own, depth)
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value) if value.bit_length() < 10_000 else None
    if not isinstance(value, dict | list):
        return value
    if not depth:
        return None
    if isinstance(value, list):
        return [_plain(item, depth - 1) for item in value]
    return {key: _plain(item, depth - 1) for key, item in value.items()}


def _bounded(value: Any) -> Any:
    """Return `value` as its JSON has it, without lone surrogates; None if that is too long."""
    json = dumps(_plain(value))
    return orjson.loads(json) if len(json) <= caps.STRUCTURED else None
