"""HTML libraries behind one interface, for comparison; the crawler itself uses two (html.py).

Each is imported on demand, as most are not installed with the crawler. All return the same, title
and links in document order, from the same UTF-8 bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html.parser import HTMLParser
from importlib import import_module
from typing import NamedTuple


class Asked(NamedTuple):
    """The result of every library."""

    title: str
    hrefs: Sequence[str]


Parser = Callable[[bytes], Asked]


def parser(name: str) -> Parser:
    """Return a library's function; raises ImportError if not installed, KeyError if unknown."""
    module, found = _LIBRARIES[name]
    import_module(module)
    return found


def _frostwork(body: bytes) -> Asked:
    from crawler.formats import html

    found = html.find(body, "utf-8")
    return Asked(found.titles[0], found.hrefs)


def _selectolax(body: bytes) -> Asked:
    tree = import_module("selectolax.lexbor").LexborHTMLParser(body)
    links = [node.attributes["href"] for node in tree.css("a[href]")]
    return Asked(tree.css_first("title").text(), links)


def _turbohtml(body: bytes) -> Asked:
    tree = import_module("turbohtml").parse(body.decode(), positions=False)
    links = [str(element.attrs["href"]) for element in tree.select("a[href]")]
    return Asked(tree.select_one("title").text, links)


def _lxml(body: bytes) -> Asked:
    module = import_module("lxml.html")
    tree = module.document_fromstring(body, parser=module.HTMLParser(encoding="utf-8"))
    return Asked(tree.findtext(".//title"), [str(href) for href in tree.xpath("//a/@href")])


def _html5lib(body: bytes) -> Asked:
    tree = import_module("html5lib").parse(body.decode(), namespaceHTMLElements=False)
    links = [href for element in tree.iter("a") if (href := element.get("href")) is not None]
    return Asked(tree.findtext(".//title"), links)


def _beautiful_soup(body: bytes) -> Asked:
    tree = import_module("bs4").BeautifulSoup(body.decode(), "html.parser")
    return Asked(tree.title.get_text(), [link["href"] for link in tree.find_all("a", href=True)])


class _Reader(HTMLParser):
    """A parser of the standard library: pure Python, without a tree."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ""
        self.hrefs: list[str] = []
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_title = tag == "title"
        if tag == "a":
            self.hrefs += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, _tag: str) -> None:
        self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data


def _standard(body: bytes) -> Asked:
    reader = _Reader()
    reader.feed(body.decode())
    reader.close()
    return Asked(reader.title, reader.hrefs)


_LIBRARIES: Mapping[str, tuple[str, Parser]] = {
    "frostwork": ("frostwork", _frostwork),
    "selectolax": ("selectolax.lexbor", _selectolax),
    "turbohtml": ("turbohtml", _turbohtml),
    "lxml": ("lxml.html", _lxml),
    "html.parser": ("html.parser", _standard),
    "html5lib": ("html5lib", _html5lib),
    "BeautifulSoup": ("bs4", _beautiful_soup),
}

MODULES: Mapping[str, str] = {name: module for name, (module, _) in _LIBRARIES.items()}
"""The libraries by name, with the module that each needs."""
