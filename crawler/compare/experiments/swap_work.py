"""The work of `swap`: the same programs through every executor; only the pool differs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, as_completed
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

from crawler.compare.design import Done, Parameters, Watch
from crawler.compare.executors import executor

_WORDS = ("wait", "core", "lock", "page", "host", "queue", "link", "pool", "task", "byte")
_CHUNK = 8  # pages that `map` hands over at a time
_GATE = 10.0  # seconds until a task that waits for its gate gives up
_BEHIND = 8  # tasks behind it; of these a pool takes up one or two before their time

Make = Callable[[], Executor]
Function = Callable[[Any], Any]


def mapped(make: Make, function: Function, pages: Sequence[Any]) -> list[Any]:
    """Return the results of `map` in the order of the pages."""
    with make() as pool:
        return list(pool.map(function, pages, chunksize=_CHUNK))


def completed(make: Make, function: Function, pages: Sequence[Any]) -> list[Any]:
    """Collect results by `submit` and `as_completed`, and put them in order afterwards."""
    with make() as pool:
        places = {pool.submit(function, page): place for place, page in enumerate(pages)}
        found = {places[future]: future.result() for future in as_completed(places)}
    return [found[place] for place in range(len(pages))]


def work(parameters: Parameters, watch: Watch) -> Done:
    """Parse pages through one executor in two ways; then raise an exception and cancel a task."""
    kind, make = parameters["kind"], partial(executor, parameters["kind"], parameters["workers"])
    function, pages = subject(parameters["subject"], parameters["pages"])
    if kind == "map":
        with watch:
            results = list(map(function, pages))
        return Done(checksum=checksum(results), notes={"raised": [caught(lambda: broken(7))]})
    with watch:
        results = mapped(make, function, pages)
    others = completed(make, function, pages)
    return Done(
        checksum=checksum(results),
        errors=int(checksum(others) != checksum(results)),
        notes={**_raised(make), "cancelled": cancels(partial(executor, kind, 1))},
    )


def subject(name: str, pages: int) -> tuple[Function, Sequence[Any]]:
    """Return a function of one argument, and its arguments, the same each time."""
    if name == "likeness":  # pure Python, for interpreters that load no parser
        from crawler.formats.simhash import likeness

        return likeness, [_texts(number) for number in range(pages)]
    from crawler.formats.page import page
    from crawler.model.document import RawResponse

    return page, [
        RawResponse(
            url=f"http://a.example/{number}",
            status=200,
            content_type="text/html; charset=utf-8",
            body=_html(number),
        )
        for number in range(pages)
    ]


def _texts(number: int) -> list[str]:
    random = Random(number)  # noqa: S311  pages are to be the same again
    return [" ".join(random.choices(_WORDS, k=12)) for _ in range(100)]


def _html(number: int) -> bytes:
    lines = "\n".join(f'<p><a href="/{i}">{text}</a>' for i, text in enumerate(_texts(number)))
    return f"<!doctype html><title>Page {number}</title>\n{lines}\n".encode()


def checksum(results: Sequence[Any]) -> str:
    """Return the checksum of what was found, without the time that a `Document` also has."""
    digest = sha256()
    for result in results:
        digest.update(getattr(result, "json", None) or repr(result).encode())
    return digest.hexdigest()


def broken(number: int) -> int:
    """Raise an error, as for a page that cannot be parsed."""
    raise LookupError(f"page {number} has no title", number)


def caught(call: Callable[[], object]) -> list[str]:
    """Return type and message of what a call raises."""
    try:
        call()
    except Exception as error:
        return [f"{type(error).__module__}.{type(error).__qualname__}", str(error)]
    return ["nothing", ""]


def _raised(make: Make) -> Mapping[str, Any]:
    """Note how an exception arrives, by `submit` and by `map`, and where its traceback went."""
    with make() as pool:
        future = pool.submit(broken, 7)
        found = [caught(future.result), caught(lambda: list(pool.map(broken, [7])))]
        cause = getattr(future.exception(), "__cause__", None)
    return {"raised": found, "cause": type(cause).__name__ if cause else ""}


def cancels(make: Make) -> bool:
    """Tell whether a waiting task can be cancelled, and the others are answered."""
    with tempfile.TemporaryDirectory(prefix="crawler-compare-") as folder:
        gate = Path(folder) / "gate"
        with make() as pool:
            head = pool.submit(through, str(gate))
            *others, last = [pool.submit(abs, -number) for number in range(_BEHIND)]
            taken_back = last.cancel()
            gate.touch()
            try:
                last.result()
            except CancelledError:
                answers = [each.result() for each in others]
                return taken_back and head.result() and answers == list(range(_BEHIND - 1))
    return False


def through(gate: str) -> bool:
    """Wait until the gate is there; False if it took too long."""
    ends = perf_counter() + _GATE
    while not Path(gate).exists():
        if perf_counter() > ends:
            return False
        time.sleep(0.001)
    return True
