"""Extract with Lexbor, by selectolax: an HTML-standard tree, queried by selectors.

It costs more than `by_frostwork`, most where links are followed, as each text node becomes an
object, and it holds the GIL for all but parsing. Its time has no good bound: it compares each
attribute of a tag with those before it, so that 200,000 of them take seconds without interruption.
So `auto` runs it only in processes, whose pool ends a page that hangs.

Differences from `by_frostwork`, all in broken or very unusual pages:

- Moves, renames and omissions follow the standard: links in a body that a `<frameset>` replaces are
  gone, `meta` and `base` in a template are not found, and the tree decides what is in one.
  `<html <html lang=x>` is an `<html>` with that `lang`.
- A refresh in a page of more than 32,768 tags counts as acting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from crawler.formats import charset
from crawler.formats.found import NO_MEDIA, Found, clean, related, tamed

_HREFS: Final = (
    f"a, area[href], frame[src], iframe[src], embed[src]{NO_MEDIA}, object[data]{NO_MEDIA}"
)
_SOURCES: Final = {"frame": "src", "iframe": "src", "embed": "src", "object": "data"}
_RELATED: Final = "link[rel][href]:not([type]), link[rel][href][type*=html i]"
_REFRESH: Final = "meta[http-equiv=refresh i][content]"
_NOFOLLOW: Final = "a[rel~=nofollow i], area[rel~=nofollow i]"
_SILENT: Final = frozenset({"script", "style"})


def find(body: bytes, encoding: str, token: str) -> Found:
    """Find the fields; see `crawler.formats.html.find`."""
    whole, label = clean(body, encoding)
    tree = LexborHTMLParser(charset.text(tamed(whole), label))
    links = tree.css(_RELATED)
    scriptless = {node.mem_id for node in tree.css(f"noscript {_REFRESH}")}
    refreshes = [
        (node.mem_id in scriptless, _value(node, "content")) for node in tree.css(_REFRESH)
    ]
    found = Found(
        hrefs=list(_hrefs(tree.css(_HREFS))),
        titles=_titles(tree),
        descriptions=_values(tree, "meta[name=description i]", "content"),
        canonicals=_values(tree, "link[rel~=canonical i]", "href"),
        languages=_values(tree, "html:root", "lang"),
        robots=_values(tree, "meta[name=robots i]", "content"),
        bases=_values(tree, "base", "href"),
        refreshes=[content for without_scripts, content in refreshes if not without_scripts],
        related=related([_value(n, "rel") for n in links], [_value(n, "href") for n in links]),
        scriptless=[content for without_scripts, content in refreshes if without_scripts],
    )
    if not token:
        return found
    texts, linked = _texts(tree)
    nofollow = list(_hrefs(tree.css(_NOFOLLOW)))
    own = _values(tree, f"meta[name={token} i]", "content")
    return found._replace(texts=texts, linked=linked, nofollow=nofollow, own_robots=own)


def _hrefs(nodes: Iterable[LexborNode]) -> Iterator[str]:
    for node in nodes:
        attributes = node.attributes
        name = _SOURCES.get(node.tag or "", "href")
        if name in attributes:
            yield attributes[name] or ""
        if name == "href" and "xlink:href" in attributes and _is_svg(node):
            yield attributes["xlink:href"] or ""


def _is_svg(node: LexborNode | None) -> bool:
    while node is not None and node.tag != "svg":
        node = node.parent
    return node is not None


def _titles(tree: LexborHTMLParser) -> list[str]:
    """Return the texts of titles in the head or, if there are none, elsewhere."""
    heads = [text for node in tree.css("head > title") if (text := node.text())]
    if heads:
        return heads
    icons = {node.mem_id for node in tree.css("svg title")}
    others = [node for node in tree.css("title") if node.mem_id not in icons]
    return [text for node in others if (text := node.text())]


def _values(tree: LexborHTMLParser, selector: str, attribute: str) -> list[str]:
    return [_value(node, attribute) for node in tree.css(f"{selector}[{attribute}]")]


def _value(node: LexborNode, attribute: str) -> str:
    return node.attributes[attribute] or ""


def _texts(tree: LexborHTMLParser) -> tuple[list[str], list[str]]:
    """Return the text nodes outside links and directly in one, without scripts and styles."""
    texts: list[str] = []
    linked: list[str] = []
    for node in tree.root.traverse(include_text=True) if tree.root is not None else ():
        if node.is_text_node and node.parent is not None and node.parent.tag not in _SILENT:
            (linked if node.parent.tag == "a" else texts).append(node.text_content or "")
    return texts, linked
