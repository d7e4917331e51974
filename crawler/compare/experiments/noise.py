"""`noise`: the same thing twice. A smaller difference than this one means nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from time import perf_counter, sleep
from typing import Any

from crawler.compare.design import CPU, WALL, Arm, Contrast, Done, Noise, Parameters, Setting, Watch
from crawler.compare.experiment import Experiment, listed
from crawler.compare.web import mock_web

_WAIT = 0.15  # seconds
_IN_FLIGHT = 32
DOING: Mapping[str, str] = {"compute": "computing", "wait": "waiting", "fetch": "fetching"}


def work(parameters: Parameters, watch: Watch) -> Done:
    """Compute, wait or fetch, always the same amount."""
    match parameters["kind"]:
        case "compute":
            checksum(parameters["turns"] // 10)
            with watch:
                found = checksum(parameters["turns"])
            return Done(checksum=str(found))
        case "wait":
            with watch:
                ends = perf_counter() + _WAIT
                while (left := ends - perf_counter()) > 0:
                    sleep(left)
            return Done()
        case _:
            return _fetch(parameters["server"], parameters["fetches"], watch)


def checksum(turns: int) -> int:
    """Run `turns` steps of a linear congruential generator (Knuth, MMIX) in pure Python."""
    state = 1
    for _ in range(turns):
        state = (state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
    return state


def _fetch(server: str, fetches: int, watch: Watch) -> Done:
    from crawler.compare import fetching

    urls = [f"{server}/page/{n % 1000}" for n in range(fetches)]
    bodies, _ = asyncio.run(fetching.steady_async(urls, _IN_FLIGHT, watch))
    errors = sum(each is None for each in bodies)
    return Done(checksum=fetching.combined(fetching.digests(bodies)), errors=errors)


@listed
def _arms(setting: Setting) -> Iterator[Arm]:
    planned: dict[Noise, dict[str, Any]] = {
        "compute": {"turns": setting.pick(3_000_000, 6_000_000)},
        "wait": {},
        "fetch": {"server": setting.server, "fetches": setting.pick(1_600, 4_000)},
    }
    for kind, amount in planned.items():
        for side in "AB":
            parameters = {"kind": kind, **amount}
            yield Arm(name=f"{kind} {side}", parameters=parameters, equal=kind, slowed=side == "B")


@listed
def _contrasts(_setting: Setting) -> Iterator[Contrast]:
    for figure, how, kinds in (
        (WALL, "is as fast as", [*DOING]),
        (CPU, "takes as much CPU time as", ["compute", "fetch"]),
    ):
        for kind in kinds:
            claim = f"{DOING[kind]} {how} the same once more"
            yield Contrast(claim, f"{kind} A", f"{kind} B", figure, "indistinguishable")


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
