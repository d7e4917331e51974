"""The work of `gil-release`: pages through one or two threads, and one that is kept out."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from threading import Event, Thread

from crawler.compare.design import Done, Parameters, Watch
from crawler.compare.experiments.convoy_work import delays, wakings

ZLIB, LOOP, CALL = "zlib", "a Python loop", "one long C call"
"""The controls: frees the lock, gives it up when asked, and holds it until it returns."""
_PARTS = 470  # of a page: 80 KB
_PARAGRAPHS = 15_000  # of a long page: several switch intervals even for a library in C
_LOOP_TURNS = 10_000  # about 0.5 ms
_CALL_TURNS = 2_000_000  # about 30 ms

Doing = Callable[[bytes], int]
"""Does what is measured to one page; gives a number that is always the same."""


def page(parts: int = _PARTS) -> bytes:
    """Return a page of headings, paragraphs and links, 165 bytes a part; always the same."""
    return _written(
        f"A page of {parts} parts",
        "".join(
            f'<div class="part c{n % 7}"><h2 id="h{n}">Part {n}</h2><p>Some words of a page, <em>'
            f'more</em> of them, <a href="/page/{n}?q={n % 5}">a link</a> &amp; <code>{n}</code>.'
            "</p></div>"
            for n in range(parts)
        ),
    )


def long_page() -> bytes:
    """Return text of 5 MB and one link, as links are made into objects in Python.

    It has fewer tags than `crawler.formats.html` takes as they are: from 32,768 on a regular
    expression, which holds the lock, goes over the page before frostwork does.
    """
    text = "some words &amp; more, caf&eacute; " * 10
    return _written("A long page", f"<p>{text}</p>" * _PARAGRAPHS + '<a href="/last">a link</a>')


def _written(title: str, body: str) -> bytes:
    head = f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
    return f"<!DOCTYPE html>{head}<body>{body}</body></html>".encode()


def work(parameters: Parameters, watch: Watch) -> Done:
    """Parse pages, split over the threads; then, if asked, time how long a victim is kept out."""
    pages, threads, seconds = (parameters[name] for name in ("pages", "threads", "victim"))
    doing, checksum = _prepared(parameters["name"])
    body = page()
    expected = doing(body)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(doing, [body] * threads))
        with watch:
            shares = pool.map(
                lambda _: [doing(body) for _ in range(pages // threads)], range(threads)
            )
            numbers = [found for share in shares for found in share]
    wrong = sum(found != expected for found in numbers) + abs(pages - len(numbers))
    figures = {"page": watch.wall / pages}
    if seconds:
        figures |= _kept_out(None, body, seconds / 4, "idle")
        figures |= _kept_out(doing, body, seconds, "kept")
    if seconds and parameters["long"]:
        figures |= _kept_out(doing, long_page(), seconds, "long")
    return Done(checksum=checksum, errors=wrong, figures=figures)


def _prepared(name: str) -> tuple[Doing, str]:
    """Return the task, and a checksum of its result, which all libraries share."""
    if name in CONTROLS:
        return CONTROLS[name], name
    from crawler.formats.libraries import parser

    parse = parser(name)
    found = parse(page())
    told = "\n".join([found.title, *found.hrefs])
    return lambda body: len(parse(body).hrefs), sha256(told.encode()).hexdigest()


def _kept_out(doing: Doing | None, body: bytes, seconds: float, name: str) -> dict[str, float]:
    """Return median, p99 and maximum of how late a thread wakes from a sleep of 1 ms."""
    stop = Event()

    def busy() -> None:
        while doing and not stop.is_set():
            doing(body)

    thread = Thread(target=busy)
    thread.start()
    late = wakings(seconds)
    stop.set()
    thread.join()
    return delays(late, name, f"{name}_p99", f"{name}_longest")


def _loop(_body: bytes) -> int:
    """Count with own numbers: without the lock those of the code are counted by all threads."""
    factor, modulus, state = int("16807"), int("2147483647"), 1
    for _ in range(_LOOP_TURNS):
        state = state * factor % modulus
    return state


CONTROLS: dict[str, Doing] = {
    ZLIB: lambda body: len(zlib.compress(body, 6)),
    LOOP: _loop,
    CALL: lambda _body: sum(range(_CALL_TURNS)),
}
