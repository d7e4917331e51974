"""How far `page` agrees with a spec-following parser on real pages: a study, not a test.

    python -m tests.formats.agreement DIR...

Every `.html` and `.htm` below each DIR is read by `page` and by html5lib, whose tree is the HTML
standard's; the reference's hrefs are those of `document.links` (`<a>` and `<area>` of the HTML
namespace, outside templates) and of frames, embedded documents and link elements, each resolved by
ada on its own. One line a corpus, then the pages
that differ. Ends with 1 below 99 % of pages with the same set of links, or 99.9 % of links.
"""

# ruff: noqa: T201  (a study prints its table)

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

import ada_url
import html5lib  # type: ignore[import-untyped]

from crawler.formats import charset, found
from crawler.formats.page import page
from crawler.model.document import RawResponse

URL = "http://example.test/a/b/page.html"
_HTML = "{http://www.w3.org/1999/xhtml}"
_LINKED = {
    f"{_HTML}{name}": attribute
    for attribute, names in (("href", "a area"), ("src", "frame iframe embed"), ("data", "object"))
    for name in names.split()
}
_RELATED = found.HYPERLINKS


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One page: the links that only one side has, how many the reference has, and its title."""

    path: Path
    links: int
    missing: frozenset[str]
    extra: frozenset[str]
    ordered: bool
    titled: bool


def reference(text: str, url: str) -> tuple[list[str], str | None]:
    """The links (absolute, in order, each once) and the title that html5lib's tree has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # html5lib tells of every character that XML has not
        tree = html5lib.parse(text, treebuilder="etree")
    elements = list(_document(tree))
    bases = [e.attrib["href"] for e in elements if e.tag == f"{_HTML}base" and "href" in e.attrib]
    base = (_resolved(bases[0], url) if bases else None) or url
    related = [e.attrib["href"] for e in elements if e.tag == f"{_HTML}link" and _leads(e)]
    hrefs = [
        element.attrib[_LINKED[element.tag]]
        for element in elements
        if element.tag in _LINKED and _LINKED[element.tag] in element.attrib
    ]
    found = [_resolved(href, base) for href in (*related, *hrefs)]
    titles = [e.text or "" for e in elements if e.tag == f"{_HTML}title"]
    title = re.sub("[\t\n\f\r ]+", " ", titles[0]).strip(" ") if titles else ""
    return [link for link in dict.fromkeys(found) if link is not None], title or None


def _leads(element: Element) -> bool:
    """Whether a link element leads to a document: of the types that the studied pages have."""
    kinds = set(element.attrib.get("rel", "").lower().split())
    kind = element.attrib.get("type", "html").lower()
    wanted = _RELATED & kinds and "stylesheet" not in kinds and "html" in kind
    return bool(wanted) and "href" in element.attrib


def _document(tree: Element) -> Iterator[Element]:
    """The elements in document order, without those in templates; no recursion, pages are deep."""
    stack = [tree]
    while stack:
        element = stack.pop()
        if isinstance(element.tag, str) and element.tag != f"{_HTML}template":
            yield element
            stack.extend(reversed(element))


def _resolved(href: str, base: str) -> str | None:
    try:
        url = ada_url.join_url(base, href)
    except ValueError:
        return None
    return url.partition("#")[0] if url.startswith(("http://", "https://")) else None


def compare(path: Path) -> Comparison:
    """Read one page both ways."""
    body = path.read_bytes()
    fields = page(RawResponse(url=URL, status=200, content_type="text/html", body=body)).fields
    links, title = reference(charset.text(body, charset.detect(body)), URL)
    ours, theirs = fields["links"], frozenset(links)
    return Comparison(
        path=path,
        links=len(theirs),
        missing=theirs - frozenset(ours),
        extra=frozenset(ours) - theirs,
        ordered=ours == links,
        titled=fields["title"] == title,
    )


def study(folder: Path) -> bool:
    """Compare all pages below `folder`, print what was found, and say whether it is enough."""
    paths = sorted(p for p in folder.rglob("*.htm*") if p.suffix in (".html", ".htm"))
    with ProcessPoolExecutor() as pool:
        results = list(pool.map(compare, paths, chunksize=8))
    links = sum(result.links for result in results)
    wrong = sum(len(result.missing) + len(result.extra) for result in results)
    same = sum(not (result.missing or result.extra) for result in results)
    print(
        f"{folder.name}: {len(results)} pages, same set of links on {same}, same order on "
        f"{sum(r.ordered for r in results)}, same title on {sum(r.titled for r in results)}; "
        f"{links} links, {wrong} differ"
    )
    for result in results:
        if result.missing or result.extra or not result.titled:
            print(f"  {result.path}: missing {sorted(result.missing)[:3]}", end="")
            print(f" extra {sorted(result.extra)[:3]}{'' if result.titled else ' TITLE'}")
    return bool(results) and same >= 0.99 * len(results) and wrong <= 0.001 * links


def main(arguments: list[str]) -> int:
    """Study each folder named; 2 without one."""
    if not arguments:
        print(__doc__)
        return 2
    enough = [study(Path(argument)) for argument in arguments]
    return 0 if all(enough) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
