"""Settings, turns and what they are observed as, made by hand; and a watch that only looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from crawler.compare.design import Finding, Setting
from crawler.compare.experiment import Experiment
from crawler.compare.observation import Observed, Run

ROUNDS = 6


class Looking:
    """Counts how often something was measured."""

    def __init__(self) -> None:
        self.entered = 0
        self.wall = 0.0

    def __enter__(self) -> Self:
        self.entered += 1
        return self

    def __exit__(self, *_error: object) -> None:
        self.wall = 1.0


def turn(arm: str, number: int = 1, *, wall: float = 1.0, cpu: float = 1.0, **more: Any) -> Run:
    """A turn of an arm that went well."""
    reading = {"wall": wall, "user": cpu, "system": 0.0}
    return Run(
        arm=arm, round=number, at=0.0, seconds=1.0, load=0.0, elsewhere=0.0, reading=reading, **more
    )


def turns(arm: str, walls: Sequence[float] = (), **more: Any) -> list[Run]:
    """`ROUNDS` turns with hardly any noise: of one wall time, or of each of these."""
    walls = walls or [1.0]
    return [
        turn(arm, n, wall=walls[(n - 1) % len(walls)] * (1 + n / 10_000), **more)
        for n in range(1, ROUNDS + 1)
    ]


def observed(
    experiment: Experiment, where: Setting, runs: Sequence[Run], *, band: float = 0.02
) -> Observed:
    """What an interpreter did."""
    arms = experiment.arms(where)
    return Observed(setting=where, arms=arms, runs=runs, band=band, cpu_band=0.0)


def outcome(claims: Mapping[str, Finding], start: str) -> str:
    """The outcome of the one claim that starts so."""
    (one,) = (each.outcome for claim, each in claims.items() if claim.startswith(start))
    return one
