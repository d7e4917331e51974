"""`swap`: one program, every executor: it is given another class, and nothing else changes."""

from __future__ import annotations

import inspect
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, as_completed
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

from crawler.compare.design import Arm, Bars, Chart, Done, Finding, Parameters, Setting, Watch
from crawler.compare.executors import absent, executor, kinds, unloaded
from crawler.compare.experiment import Experiment, listed
from crawler.compare.observation import Observed

_MOST_WORKERS = 8
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


def _arms(setting: Setting) -> Sequence[Arm]:
    """Return arms: the parser by every executor that loads it; pure Python by interpreters."""
    refused = {"interpreter"} if setting.interpreter.parser_refusal else set()
    found = [_arm(setting, "page", k) for k in ("map", *kinds(setting)) if k not in refused]
    if setting.interpreter.interpreters:
        found += [_arm(setting, "likeness", kind) for kind in ("map", "process", "interpreter")]
    return found


def _arm(setting: Setting, subject: str, kind: str) -> Arm:
    parameters = {
        "kind": kind,
        "subject": subject,
        "workers": min(len(setting.cores), _MOST_WORKERS),
        "pages": setting.pick(150, 500),
    }
    name = kind if subject == "page" else f"{kind} ({subject})"
    return Arm(name=name, parameters=parameters, equal=subject)


@listed
def _checks(observed: Observed) -> Iterator[Finding]:
    trouble, arms = _troubles(observed), observed.arms
    odd = [arm.name for arm in arms if not _as_map(observed, arm)]
    claim = "every executor gives the same results as `map`, by `map` and by `submit`"
    names = ", ".join(arm.name for arm in arms)
    text = f"others by {', '.join(odd)}" if odd else f"the same by {names}"
    yield Finding.of(claim, not odd, text, detail=program(), trouble=trouble)
    yield _exceptions(observed, trouble)
    pools = [arm.name for arm in arms if arm.parameters["kind"] != "map"]
    odd = [name for name in pools if set(observed.notes(name, "cancelled")) != {True}]
    claim = "a task that still waits can be cancelled, and those beside it are answered"
    text = f"not so by {', '.join(odd)}" if odd else f"so by {', '.join(pools)}"
    yield Finding.of(claim, not odd, text, trouble=trouble)
    yield from unloaded(observed.setting)
    yield from absent(observed.setting)


def _troubles(observed: Observed) -> str:
    """Return the first failure, or ""; a different checksum is the answer here, not a failure."""
    names = [arm.name for arm in observed.arms]
    failed = (f"{r.arm}: {r.failure}" for name in names for r in observed.of(name) if r.failure)
    unmeasured = (f"{name}: no turn" for name in names if not observed.of(name))
    return next(failed, "") or next(unmeasured, "")


def _as_map(observed: Observed, arm: Arm) -> bool:
    reference = "map" if arm.parameters["subject"] == "page" else "map (likeness)"
    expected = {run.checksum for run in observed.of(reference)}
    runs = observed.of(arm.name)
    return {run.checksum for run in runs} == expected and not any(run.errors for run in runs)


def program() -> str:
    """Return the source of the program as it ran; `make` alone differs."""
    shown = (mapped, completed, executor)
    return "\n\n".join(inspect.getsource(function).rstrip() for function in shown)


def _exceptions(observed: Observed, trouble: str) -> Finding:
    """Check that an exception has the same type and message, whoever ran its cause."""
    said = {
        arm.name: {tuple(each) for note in observed.notes(arm.name, "raised") for each in note}
        for arm in observed.arms
    }
    expected = said.get("map", set())
    odd = {name: found for name, found in said.items() if found != expected}
    usual = "; ".join(f"{kind}: {text}" for kind, text in sorted(expected))
    # Where each worker's own traceback is kept; that does differ.
    causes = {arm.name: next(iter(observed.notes(arm.name, "cause")), "") for arm in observed.arms}
    kept = [
        f"{name}: the worker's traceback is in a {kind}" for name, kind in causes.items() if kind
    ]
    claim = "an exception travels the same through every executor: its type and its message"
    held = not odd and len(expected) == 1
    text = f"not so: {odd}" if odd else usual
    return Finding.of(claim, held, text, detail="\n".join(kept), trouble=trouble)


@listed
def _charts(observed: Observed) -> Iterator[Chart]:
    names = [a.name for a in observed.arms if not observed.trouble(a.name)]
    yield Bars(
        title="The same pages by each executor, its start included",
        note="No claim: what suits such pages is for `crawl` and `break-even` to say.",
        x="executor",
        groups=names,
        values={"wall time": [observed.median(name) * 1e3 for name in names]},
        unit="ms",
    )


EXPERIMENT = Experiment(
    name="swap",
    question="What has to change to run the same program by another executor?",
    claim="One class: the same function through every `concurrent.futures` executor gives the "
    "same results and raises the same exceptions.",
    module=__name__,
    arms=_arms,
    checks=_checks,
    charts=_charts,
    conditions=(
        (
            "The function is the project's own parser, `crawler.formats.page.page`, on generated "
            "pages; where there are interpreters also `crawler.formats.simhash.likeness`, which is "
            "pure Python."
        ),
        "Function, arguments and results can be pickled; processes start by the fork server.",
    ),
    not_shown=(
        "Functions that share state with their caller: in processes they do something else.",
        "What a dead worker does to the other tasks: `robust` shows that.",
    ),
    most_rounds=3,
    weight=0.5,
)
