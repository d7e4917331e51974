"""The whole mock web as one pure function: `answer(ask, options)`.

A path is any number of prefixes (`PREFIXES`), then a plain path (`plain`) or a page of the graph.
The prefixes are removed from the left, the rest is answered, and the prefixes are applied to that
answer from the inside out. Nothing here does I/O, reads a clock or has state.
"""

from __future__ import annotations

from collections.abc import Sequence

from crawler.mock.faults import FAULTS, PREFIXES
from crawler.mock.faults.prefixes import Prefix
from crawler.mock.graph.kind import PageKind
from crawler.mock.graph.node import Node, graph
from crawler.mock.graph.page_markup import content_type, file, html, noindex_header
from crawler.mock.graph.plain_paths import HTML, missing, plain
from crawler.mock.graph.sitemap_files import find
from crawler.mock.reply import Answer, Ask, PathError, content, notice
from crawler.mock.scenario import MockWeb

# Enough to combine every kind once.
MAX_PREFIXES = 8

Peeled = list[tuple[Prefix, Sequence[str]]]


def answer(ask: Ask, options: MockWeb) -> Answer:
    """Answer a request; the same arguments always give the same answer.

    An invalid argument in the path is a 400, an unknown path a 404; nothing is raised.
    """
    try:
        peeled, segments = _peel(ask.path.split("/")[1:])
        reply = _plain(segments, ask, options)
        for prefix, arguments in reversed(peeled):
            reply = prefix.apply(arguments, reply, ask, options)
    except PathError as error:
        reply = notice(400, str(error))
    return reply


def _peel(segments: list[str]) -> tuple[Peeled, list[str]]:
    peeled: Peeled = []
    while segments and (prefix := PREFIXES.get(segments[0])) is not None:
        arity = len(prefix.arguments)
        arguments = segments[1 : 1 + arity]
        if len(arguments) < arity or len(peeled) == MAX_PREFIXES:
            raise PathError(f"/{segments[0]} needs {arity} arguments; {MAX_PREFIXES} at most")
        peeled.append((prefix, arguments))
        segments = segments[1 + arity :]
    if peeled and segments in ([], [""]):
        segments = ["page", "0"]
    return peeled, segments


def _plain(segments: list[str], ask: Ask, options: MockWeb) -> Answer:
    if not segments:  # `*`, or the target of CONNECT
        return missing(ask)
    if (sitemap := find(segments[0])) is not None:
        return sitemap(segments[1:], ask, options)
    if (reply := plain(segments, ask, options)) is not None:
        return reply
    bare = ask.at(f"/{'/'.join(segments)}")
    reply = page_of_graph(bare, options)
    ask.settled = ask.settled and bare.settled
    return missing(ask) if reply is None else reply


def page_of_graph(ask: Ask, options: MockWeb) -> Answer | None:
    """Return the answer of the requested page, None if the graph does not have it.

    An unknown host counts as host 0. Only the canonical path without a query is a page. Flaky pages
    read `ask.attempt`; nothing else is read except target and host.
    """
    web = graph(options)
    host = web.host(f"{options.scheme}://{ask.host.lower()}") or 0
    node = web.at(host, ask.target)
    return None if node is None else _answers(node, ask)


def _answers(node: Node, ask: Ask) -> Answer:
    target = node.target
    if target is not None:
        return _redirect(node, target)
    match node.kind:
        case PageKind.ERROR:
            return content(_note(f"{node.status} {node.path}"), HTML, status=node.status)
        case PageKind.FLAKY if ask.attempt < node.failures:
            headers = (("Retry-After", str(node.variant >> 4 & 1)),)
            return notice(503, f"attempt {ask.attempt + 1} fails", headers=headers)
        case PageKind.FILE:
            return content(file(node), node.file[1])
        case PageKind.FAULTY:
            inner = content(html(node), content_type(node))
            return FAULTS[node.fault].make(inner, ask, node.graph.options)
        case PageKind.NOINDEX if noindex_header(node):
            headers = (("X-Robots-Tag", "noindex"),)
            return content(html(node), content_type(node), headers=headers)
        case _:
            return content(html(node), content_type(node))


def _note(text: str) -> bytes:
    return f"<!DOCTYPE html>\n<title>{text}</title>\n<p>{text}</p>\n".encode()


def _redirect(node: Node, target: Node) -> Answer:
    """Redirect to its target by its whole URL, by its path, or without the scheme."""
    location = target.url
    if target.origin == node.origin and node.variant & 16:
        location = target.path
    elif node.variant & 32:
        location = location.partition(":")[2]
    headers = (("Location", location),)
    return content(_note("elsewhere"), HTML, status=node.status, headers=headers)
