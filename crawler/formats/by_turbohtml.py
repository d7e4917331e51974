"""Read a page's content with turbohtml: an HTML-standard tree with main text, selectors, metadata.

It is C code that holds the GIL. Main text takes linear time within `caps.DEPTH` (2 seconds for
10 MB of nested tables), and so do CSS selectors. An XPath expression may take quadratic time, and
structured data quadratic memory, so `auto` leaves those to processes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import turbohtml
from turbohtml.detect import LanguageDetection, detect_language

from crawler.formats import caps
from crawler.model.selector import Selector

_BODIES: Final = ("main", "[role=main]", "article", "body")
_BOILERPLATE: Final = (
    "body > header, nav, [role=navigation], aside, footer, dialog, "
    "script, style, noscript, template"
)
_TOO_DEEP: Final = "* > " * caps.DEPTH + "*:first-child"  # others are as deep as the first
_INLINE_DATA: Final = "img[src^='data:' i]"  # megabytes of base64 that nobody reads
_CONFIDENT: Final = LanguageDetection(threshold=0.5)
_CODES: Final = (
    "afr:af aka:ak amh:am ara:ar aze:az bel:be ben:bn bul:bg cat:ca ces:cs cmn:zh cym:cy "
    "dan:da deu:de ell:el eng:en epo:eo est:et fin:fi fra:fr guj:gu heb:he hin:hi hrv:hr "
    "hun:hu hye:hy ind:id ita:it jav:jv jpn:ja kan:kn kat:ka khm:km kor:ko lat:la lav:lv "
    "lit:lt mal:ml mar:mr mkd:mk mya:my nep:ne nld:nl nob:nb ori:or pan:pa pes:fa pol:pl "
    "por:pt ron:ro rus:ru sin:si slk:sk slv:sl sna:sn spa:es srp:sr swe:sv tam:ta tel:te "
    "tgl:tl tha:th tuk:tk tur:tr ukr:uk urd:ur uzb:uz vie:vi yid:yi zul:zu"
)
_TWO_LETTERS: Final = dict(pair.split(":") for pair in _CODES.split())


def parse(markup: str) -> turbohtml.Document:
    """Return the tree of a page. Never raises."""
    return turbohtml.parse(markup, positions=False)


def is_deep(tree: turbohtml.Document) -> bool:
    """Tell whether elements are nested deeper than `caps.DEPTH`."""
    return tree.select_one(_TOO_DEEP) is not None


def main(
    tree: turbohtml.Document, base: str, *, markdown: bool, scored: bool = True
) -> tuple[str, str]:
    """Return the main text and, if asked for, the same as Markdown; changes the tree.

    base: what relative links are resolved against; "" leaves them. scored: look for what reads like
    an article; where nothing does, it is what the page calls its main part, or its body.
    """
    body = (tree.main_content() if scored else None) or _named(tree)
    if body is None:
        return "", ""
    body.remove(_BOILERPLATE)
    text = body.to_text()
    if not markdown:
        return text, ""
    body.remove(_INLINE_DATA)
    if base:
        body.resolve_links(base)
    return text, body.to_markdown()


def _named(tree: turbohtml.Document) -> turbohtml.Element | None:
    return next((found for name in _BODIES if (found := tree.select_one(name))), None)


def language(text: str) -> str | None:
    """Return the language of a text as the shortest ISO 639 code (en, zh, ceb); None if unclear."""
    found = detect_language(text, _CONFIDENT).language
    return _TWO_LETTERS.get(found, found) if found is not None else None


def attributes(tree: turbohtml.Document, selector: str, name: str) -> list[str]:
    """Return the values of an attribute of the elements that match, in document order."""
    return [value for each in tree.select(selector) if (value := each.attr(name)) is not None]


def first(tree: turbohtml.Document, selector: str, name: str) -> str | None:
    """Return the first of them that is not empty, cut to the length of a description."""
    found = next(
        (value for each in attributes(tree, selector, name) if (value := each.strip())), None
    )
    return caps.cut(found, caps.DESCRIPTION) if found else None


def check(selector: Selector) -> None:
    """Raise ValueError for a selector that the library cannot run."""
    _matches(parse("<p>"), selector)


def selected(tree: turbohtml.Document, selectors: Sequence[Selector]) -> dict[str, Any]:
    """Return the values by name: null for none, the value itself for one, a list for several."""
    return {each.name: _folded(_capped(_values(tree, each))) for each in selectors}


def _folded(values: list[Any]) -> Any:
    return values if len(values) > 1 else next(iter(values), None)


def _capped(values: Iterable[Any]) -> list[Any]:
    """Return the values within the caps: text of nested elements grows with their depth."""
    found: list[Any] = []
    room = caps.SELECTED
    for value in values:
        room -= len(value) if isinstance(value, str) else 1
        if room < 0:
            break
        found.append(value)
    return found


def _values(tree: turbohtml.Document, selector: Selector) -> Iterator[Any]:
    for match in _matches(tree, selector)[: caps.VALUES]:
        value = _part(match, selector) if isinstance(match, turbohtml.Node) else match
        if isinstance(value, str):
            value = value if selector.part == "html" else " ".join(value.split())
        elif isinstance(value, float):
            value = _number(value)
        if value is not None and value != "":
            yield value


def _matches(tree: turbohtml.Document, selector: Selector) -> Sequence[Any]:
    if selector.language == "css":
        return tree.select(selector.query)
    found = tree.xpath(selector.query)
    return found if isinstance(found, list) else [found]


def _part(node: turbohtml.Node, selector: Selector) -> str | None:
    if selector.part == "html":
        return node.html
    if selector.part == "attr" and isinstance(node, turbohtml.Element):
        return node.attr(selector.attribute)
    return node.text


def _number(value: float) -> float | None:
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() else value
