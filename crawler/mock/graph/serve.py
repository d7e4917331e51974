"""What the graph answers: a pure function of the request and the options."""

from __future__ import annotations

from crawler.mock.answer import Answer, Ask, content, notice
from crawler.mock.graph.files import file
from crawler.mock.graph.kind import Kind
from crawler.mock.graph.markup import content_type, html, noindex_header
from crawler.mock.graph.node import Graph, Node, graph
from crawler.mock.options import MockWeb


def answer(ask: Ask, options: MockWeb) -> Answer | None:
    """The answer of the page that is asked for, or None if the graph has no such page.

    A host that is none of the web's counts as host 0. A page has one path: another spelling of it
    or a query is no page. Flaky pages read `ask.attempt`; nothing else is read but target and host.
    """
    web = graph(options)
    node = web.at(_host(web, ask.host), ask.target)
    return None if node is None else _answers(node, ask)


def _host(web: Graph, asked: str) -> int:
    return web.host(f"{web.options.scheme}://{asked.lower()}") or 0


def _answers(node: Node, ask: Ask) -> Answer:
    target = node.target
    if target is not None:
        return _redirect(node, target)
    match node.kind:
        case Kind.ERROR:
            return content(_note(f"{node.status} {node.path}"), _HTML, status=node.status)
        case Kind.FLAKY if ask.attempt < node.failures:
            headers = (("Retry-After", str(node.variant >> 4 & 1)),)
            return notice(503, f"attempt {ask.attempt + 1} fails", headers=headers)
        case Kind.FILE:
            return content(file(node), node.file[1])
        case Kind.FAULTY:
            return _faulty(node, ask)
        case Kind.NOINDEX if noindex_header(node):
            headers = (("X-Robots-Tag", "noindex"),)
            return content(html(node), content_type(node), headers=headers)
        case _:
            return content(html(node), content_type(node))


_HTML = "text/html; charset=utf-8"


def _note(text: str) -> bytes:
    return f"<!DOCTYPE html>\n<title>{text}</title>\n<p>{text}</p>\n".encode()


def _redirect(node: Node, target: Node) -> Answer:
    """To its target, by its whole URL, by its path, or without the scheme."""
    location = target.url
    if target.origin == node.origin and node.variant & 16:
        location = target.path
    elif node.variant & 32:
        location = location.partition(":")[2]
    headers = (("Location", location),)
    return content(_note("elsewhere"), _HTML, status=node.status, headers=headers)


def _faulty(node: Node, ask: Ask) -> Answer:
    from crawler.mock.faults import FAULTS  # the catalogue is large; few webs need it

    inner = content(html(node), content_type(node))
    return FAULTS[node.fault].make(inner, ask, node.graph.options)
