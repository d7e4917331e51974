"""The whole mock web as one pure function: `answer(ask, options)`.

A path is any number of prefixes (`prefixes.PREFIXES`) and then a plain path (`paths.PATHS`) or a
page of the graph (`crawler.mock.graph`), which has all other paths. The prefixes are peeled off
from the left, the plain path is answered, and the prefixes are applied to that answer from the
inside out. Nothing here does I/O, reads a clock or remembers anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from crawler.mock import graph
from crawler.mock.answer import Answer, Ask, PathError, notice
from crawler.mock.options import MockWeb
from crawler.mock.paths import find, missing
from crawler.mock.prefixes import PREFIXES, Prefix

# Enough to combine every kind once; a path of a thousand prefixes is a mistake.
MAX_PREFIXES = 8

Peeled = list[tuple[Prefix, Sequence[str]]]


def answer(ask: Ask, options: MockWeb) -> Answer:
    """The answer to a request: the same for the same arguments, anywhere and always.

    A wrong argument in the path is a 400, an unknown path a 404; nothing is raised.
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
        arguments = segments[1 : 1 + prefix.arity]
        if len(arguments) < prefix.arity or len(peeled) == MAX_PREFIXES:
            raise PathError(
                f"/{segments[0]} needs {prefix.arity} arguments; {MAX_PREFIXES} at most"
            )
        peeled.append((prefix, arguments))
        segments = segments[1 + prefix.arity :]
    if peeled and segments in ([], [""]):
        segments = ["page", "0"]
    return peeled, segments


def _plain(segments: list[str], ask: Ask, options: MockWeb) -> Answer:
    path = find(segments[0]) if segments else None
    if path is not None:
        return path(segments[1:], ask, options)
    if not segments:  # `*`, or what CONNECT asks for: no path
        return missing(ask)
    bare = ask.at(f"/{'/'.join(segments)}")
    reply = graph.answer(bare, options)
    ask.settled = ask.settled and bare.settled
    return missing(ask) if reply is None else reply
