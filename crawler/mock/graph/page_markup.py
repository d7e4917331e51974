"""The body of a page: HTML in its charset, or a small file of its type."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator
from html import escape

from crawler.mock.graph.draw import draw
from crawler.mock.graph.kind import TRAP_LINKS, UNLINKED, PageKind
from crawler.mock.graph.link_spelling import Link, relative, written
from crawler.mock.graph.node import Node
from crawler.mock.graph.words import paragraphs, prose, revised

MAX_BYTES = 1_000_000
MAX_LINKS = 2_000
_UNIT = 1 << 32
# Bytes around the text and per link, so that a page has about the size that was drawn.
_HEAD_BYTES, _LINK_BYTES = 700, 90
_LEAST_TEXT = 300
_FILE_TEXT, _SIDE = 2000, 16
_NOFOLLOW = (' rel="nofollow"', ' rel="external NoFollow"', " rel=nofollow", " REL='ugc nofollow'")


def html(node: Node) -> bytes:
    """Return the page's bytes, at most about `MAX_BYTES`."""
    base = _base(node)
    tag = f'<base href="{escape(base)}">\n' if base else ""
    base_origin, base_path = _resolved(node, base)
    items = "".join(
        f"<li>{_anchor(Link(base_origin, base_path, origin, path), nofollow, drawn)}</li>\n"
        for origin, path, nofollow, drawn in links(node)
    )
    name = escape(node.title, quote=False)
    text = (
        f'<!DOCTYPE html>\n<html lang="{node.script.language}">\n<head>\n{_declaration(node)}'
        f"<title>{name}</title>\n{tag}{_metas(node)}</head>\n<body>\n<h1>{name}</h1>\n"
        f"{body(node)}<ul>\n{items}</ul>\n</body>\n</html>\n"
    )
    mark = "\ufeff" if node.script.bom else ""
    return (mark + text).encode(node.script.codec, "xmlcharrefreplace")


def content_type(node: Node) -> str:
    """Return the page's Content-Type, with the charset unless only the page declares it."""
    label = node.script.label
    match node.markup >> 4 & 7:
        case 0 | 1 | 2:
            return "text/html"
        case 3:
            return f'Text/HTML; Charset="{label}"'
        case 4:
            return f"text/html;charset={label}"
        case _:
            return f"text/html; charset={label}"


def body(node: Node) -> str:
    """Return the text as paragraphs, equal for duplicates and nearly equal for near-duplicates."""
    near = node.kind is PageKind.NEAR_DUPLICATE
    source = node.group if near else node.source
    text = prose(node.graph.seed, str(source.place.number), _text_size(source))
    if near:
        text = revised(node.graph.seed, str(node.place.number), text)
    first = f"{', '.join(source.script.words)}."
    return "".join([f"<p>{part}</p>\n" for part in (first, *paragraphs(text))])


def links(node: Node) -> Iterator[tuple[str, str, bool, int]]:
    """Yield the links of a page: origin, path, nofollow flag, and a number for the spelling.

    First come links up and down the tree, then drawn ones up to the page's degree.
    """
    ahead = list(_tree(node))
    spellings = draw(f"{node.label}/spellings", len(ahead))
    for (origin, path, nofollow), spelling in zip(ahead, spellings, strict=True):
        yield origin, path, nofollow, spelling
    numbers = draw(f"{node.label}/links", 2 * max(degree(node) - len(ahead), 0))
    for drawn, spelling in zip(numbers[::2], numbers[1::2], strict=True):
        target = node.graph.drawn(node.place, node.place.depth + 1, drawn)
        if target.kind in UNLINKED:
            target = target.group
        yield target.origin, target.path, False, spelling


def degree(node: Node) -> int:
    """Return the number of links that the page should have."""
    share = (node.degree + 0.5) / _UNIT
    return int(min(node.graph.options.degree.quantile(share), MAX_LINKS))


def _tree(node: Node) -> Iterator[tuple[str, str, bool]]:
    graph, place = node.graph, node.place
    layout = graph.layout
    if place.local:
        yield node.origin, "/", False
        yield node.origin, graph.local(place.host, layout.parent(place)).path, False
    for local in layout.children(place):
        child = graph.local(place.host, local)
        if child.kind is not PageKind.SITEMAP_ONLY:
            yield child.origin, child.path, child.kind is PageKind.NOFOLLOW
    if not place.local:
        for host in graph.stances.children(place.host):
            if host < layout.hosts:
                yield graph.origin(host), "/", False
        for trap in TRAP_LINKS if graph.options.traps else ():
            yield node.origin, trap, False


def _anchor(link: Link, nofollow: bool, drawn: int) -> str:
    tag = "A" if drawn >> 16 & 7 == 0 else "a"
    rel = _NOFOLLOW[drawn >> 20 & 3] if nofollow else ""
    title = ' title="a > b"' if drawn >> 24 & 15 == 0 else ""
    return f"<{tag}{rel}{title} {written(link, drawn)}>{_text(link.path)}</{tag}>"


def _text(path: str) -> str:
    return path.strip("/").rpartition("/")[2].partition("-")[0].replace("%", "") or "front"


def _base(node: Node) -> str:
    """Return the href of the base element, which one page in twelve has; "" for the others."""
    drawn = node.markup
    if drawn % 12:
        return ""
    directory = ("/", "/archive/2026/", "../", "/news/today.html")[drawn >> 8 & 3]
    return f"{node.origin}{directory}" if drawn >> 10 & 1 and directory != "../" else directory


def _resolved(node: Node, base: str) -> tuple[str, str]:
    """Return the origin and path that the page's links are relative to."""
    if base == "../":
        above = node.path.split("/")[:-2]
        return node.origin, "/".join([*above, ""]) if above else "/"
    return node.origin, base.removeprefix(node.origin) if base else node.path


def _declaration(node: Node) -> str:
    """Return the meta element for the charset; "" for pages that only the header declares."""
    script = node.script
    if script.bom or node.markup >> 4 & 7 > 5:
        return ""
    if node.markup >> 7 & 1:
        return f'<meta charset="{script.label}">\n'
    return f"<META http-equiv=Content-Type content='text/html; charset={script.label}'>\n"


def _metas(node: Node) -> str:
    lines = [f'<meta name="description" content="Page {node.place.number}.">\n']
    if node.kind is PageKind.NOINDEX and not noindex_header(node):
        lines.append('<meta name="ROBOTS" content="NoIndex, follow">\n')
    if node.kind is PageKind.DUPLICATE and node.variant & 1:
        lines.append(f'<link rel="canonical" href="{escape(node.source.url)}">\n')
    elif node.variant & 2:
        own = relative(Link(*_resolved(node, _base(node)), node.origin, node.path))
        lines.append(f'<link rel="canonical" href="{escape(own)}">\n')
    return "".join(lines)


def noindex_header(node: Node) -> bool:
    """Return True if a noindex page uses X-Robots-Tag instead of a meta element."""
    return bool(node.variant & 4)


def _text_size(source: Node) -> int:
    share = (source.size + 0.5) / _UNIT
    width = 2 if source.script.codec.startswith("utf-16") else 1
    size = int(min(source.graph.options.size.quantile(share), MAX_BYTES)) // width
    return max(size - _HEAD_BYTES - _LINK_BYTES * degree(source), _LEAST_TEXT)


def file(node: Node) -> bytes:
    """Return the bytes of a page of kind `file`: PDF, PNG, JSON, text or CSS without links."""
    text = prose(node.graph.seed, str(node.place.number), _FILE_TEXT)
    match node.file[0]:
        case "pdf":
            return b"%%PDF-1.4\n%b%b\n%%%%EOF\n" % (_noise(node, 2000), text.encode())
        case "png":
            return _png(node)
        case "json":
            return json.dumps({"page": node.place.number, "text": text}).encode()
        case "css":
            return f"/* {text} */\nbody {{ margin: 0 }}\n".encode()
        case _:
            return f"{text}\n".encode()


def _noise(node: Node, size: int) -> bytes:
    return hashlib.shake_128(f"{node.label}/file".encode()).digest(size)


def _png(node: Node) -> bytes:
    """Return a grey picture of 16 by 16 points (PNG, 3rd edition, section 11).

    It is stored uncompressed, because zlib's output depends on its version.
    """
    noise = _noise(node, _SIDE * _SIDE)
    rows = b"".join(b"\0" + noise[start : start + _SIDE] for start in range(0, len(noise), _SIDE))
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
