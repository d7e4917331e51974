"""`noise`: the same thing twice. A smaller difference than this one means nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from time import perf_counter, sleep
from typing import Any

from crawler.compare.design import (
    CPU,
    WALL,
    Arm,
    Contrast,
    Done,
    Figure,
    Noise,
    Parameters,
    Setting,
    Watch,
)
from crawler.compare.experiment import Experiment
from crawler.compare.web import mock_web

KINDS: Sequence[Noise] = ("compute", "wait", "fetch")
_WAIT = 0.15  # seconds
_IN_FLIGHT = 32
DOING: Mapping[str, str] = {
    "compute": "computing",
    "wait": "waiting",
    "fetch": "fetching",
}
_COMPUTING: Sequence[Noise] = ("compute", "fetch")


def work(parameters: Parameters, watch: Watch) -> Done:
    """Compute, wait or fetch, always the same amount."""
    match parameters["kind"]:
        case "compute":
            return _compute(parameters["turns"], watch)
        case "wait":
            return _wait(watch)
        case _:
            return _fetch(parameters["server"], parameters["fetches"], watch)


def checksum(turns: int) -> int:
    """Run `turns` steps of a linear congruential generator (Knuth, MMIX) in pure Python."""
    state = 1
    for _ in range(turns):
        state = (state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
    return state


def _compute(turns: int, watch: Watch) -> Done:
    checksum(turns // 10)
    with watch:
        found = checksum(turns)
    return Done(checksum=str(found))


def _wait(watch: Watch) -> Done:
    with watch:
        ends = perf_counter() + _WAIT
        while (left := ends - perf_counter()) > 0:
            sleep(left)
    return Done()


def _fetch(server: str, fetches: int, watch: Watch) -> Done:
    from crawler.compare import fetching

    urls = [f"{server}/page/{n % 1000}" for n in range(fetches)]
    asyncio.run(fetching.fetch_async(urls[:50], _IN_FLIGHT))
    with watch:
        bodies = asyncio.run(fetching.fetch_async(urls, _IN_FLIGHT))
    errors = sum(each is None for each in bodies)
    return Done(checksum=fetching.checksum(bodies), errors=errors)


def _arms(setting: Setting) -> Sequence[Arm]:
    parameters: dict[Noise, dict[str, Any]] = {
        "compute": {"turns": setting.pick(3_000_000, 6_000_000)},
        "wait": {},
        "fetch": {"server": setting.server, "fetches": setting.pick(1_600, 4_000)},
    }
    return [
        Arm(
            name=f"{kind} {side}",
            parameters={"kind": kind, **parameters[kind]},
            equal=kind,
            slowed=side == "B",
        )
        for kind in KINDS
        for side in "AB"
    ]


def _contrasts(_setting: Setting) -> Sequence[Contrast]:
    return [*(_contrast(kind, WALL) for kind in KINDS), *(_contrast(k, CPU) for k in _COMPUTING)]


def _contrast(kind: Noise, figure: Figure) -> Contrast:
    how = "is as fast as" if figure is WALL else "takes as much CPU time as"
    return Contrast(
        claim=f"{DOING[kind]} {how} the same once more",
        base=f"{kind} A",
        other=f"{kind} B",
        figure=figure,
        expect="indistinguishable",
    )


def named(contrast: Contrast) -> str:
    """Return the name of a noise: `fetch`, `fetch CPU`."""
    kind = contrast.base.removesuffix(" A")
    return kind if contrast.figure.noise == "wall" else f"{kind} CPU"


def _stage(setting: Setting) -> AbstractContextManager[str]:
    return mock_web(setting, "--pages", "1000")


EXPERIMENT = Experiment(
    name="noise",
    question="What is the smallest difference that this machine can show?",
    claim="The same work, done twice by turns, takes the same time, but for the machine's noise.",
    module=__name__,
    arms=_arms,
    contrasts=_contrasts,
    stage=_stage,
    conditions=(
        "Computing is pure Python in one thread; waiting is one sleep of 0.15 s.",
        f"Fetching is small pages from the mock web over aiohttp, {_IN_FLIGHT} in flight.",
    ),
    not_shown=(
        "That other minutes are as quiet: a shared machine changes with what its neighbours do.",
        "A fault that both sides have: both would be slow alike.",
    ),
    most_rounds=20,
)
