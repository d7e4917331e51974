"""The arms of `call`: batches of calls of the user's function, each by a fresh pool.

A worker loads the function itself, by its name (`crawler.workers.own`), at its first call.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import cache, partial
from hashlib import blake2b
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import orjson

from crawler.compare.design import Done, Parameters, Watch
from crawler.compare.executors import executor
from crawler.workers import own

Arguments = tuple[Any, ...]
_PROBE = 0.2  # seconds of calls, to learn how long one takes
_MOST_PROBES = 100
_CHUNKS = 4  # of a batch for each worker process
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def work(parameters: Parameters, watch: Watch) -> Done:
    """Call the function for a moment, to learn how long it takes."""
    call = partial(one, parameters["function"], parameters["folder"])
    calls = cycle(_arguments(parameters))
    call(next(calls))  # what it imports and fills is not counted
    found: list[float] = []
    with watch:
        ends = perf_counter() + _PROBE
        while not found or (perf_counter() < ends and len(found) < _MOST_PROBES):
            began = perf_counter()
            call(next(calls))
            found.append(perf_counter() - began)
    return Done(figures={"seconds": median(found)})


@contextmanager
def keep(parameters: Parameters) -> Iterator[Callable[[Watch], Done]]:
    """Prepare an arm, and give what does a turn of it: a batch of each size."""
    arguments = _arguments(parameters)
    run = _runner(parameters)
    run(arguments[:1])

    def turn(watch: Watch) -> Done:
        figures, digest = {}, blake2b(digest_size=16)
        with watch:
            for size in parameters["sizes"]:
                began = perf_counter()
                results = run(list(islice(cycle(arguments), size)))
                figures[f"calls_{size}"] = perf_counter() - began
                digest.update(repr([canonical(each) for each in results]).encode())
        return Done(checksum=digest.hexdigest(), figures=figures)

    yield turn


def _arguments(parameters: Parameters) -> list[Arguments]:
    """Return the arguments of each call: a line of the file, or its JSON; none without a file."""
    path = parameters["inputs"]
    if not path:
        return [()]
    lines = Path(path).read_bytes().splitlines()
    if path.endswith((".jsonl", ".ndjson")):
        return [(orjson.loads(line),) for line in lines if line.strip()]
    return [(line.decode(errors="replace"),) for line in lines]


def _runner(parameters: Parameters) -> Callable[[Sequence[Arguments]], list[Any]]:
    kind, workers = parameters["kind"], parameters["workers"]
    path, folder = parameters["function"], parameters["folder"]
    call = partial(one, path, folder)
    match kind:
        case "sequential":
            return lambda calls: list(map(call, calls))
        case "asyncio":
            call = partial(one, parameters["afunction"], folder)
            return lambda calls: asyncio.run(_together(call, calls, workers))

    def pooled(calls: Sequence[Arguments]) -> list[Any]:
        chunk = max(1, len(calls) // (workers * _CHUNKS))
        with executor(kind, workers) as pool:
            return list(pool.map(call, calls, chunksize=chunk))

    return pooled


def one(path: str, folder: str, arguments: Arguments) -> Any:
    """Call the function, in whatever process or interpreter this is."""
    return _function(path, folder)(*arguments)


@cache
def _function(path: str, folder: str) -> Callable[..., Any]:
    return own.load(path, folder, keep=True, option="call")


async def _together(
    call: Callable[[Arguments], Any], calls: Sequence[Arguments], at_once: int
) -> list[Any]:
    found: list[Any] = [None] * len(calls)
    left = iter(enumerate(calls))

    async def slot() -> None:
        for index, arguments in left:
            found[index] = await call(arguments)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(at_once, len(calls))):
            group.create_task(slot())
    return found


def canonical(value: Any) -> Any:
    """Return a value in a form in which equals look equal: without order, identity, addresses."""
    if is_dataclass(value) and not isinstance(value, type):
        return type(value).__name__, [canonical(getattr(value, f.name)) for f in fields(value)]
    if isinstance(value, Mapping):
        pairs = [(canonical(key), canonical(each)) for key, each in value.items()]
        return "mapping", sorted(pairs, key=repr)
    if isinstance(value, AbstractSet):
        return "set", sorted(map(canonical, value), key=repr)
    if isinstance(value, list | tuple):
        return type(value).__name__, [canonical(each) for each in value]
    return _ADDRESS.sub("", repr(value))
