"""Settings and hand-made turns, for tests of what experiments plan and find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from crawler.compare.design import Setting
from crawler.compare.experiment import Experiment
from crawler.compare.observation import Observed, Run

Values = Mapping[str, Mapping[str, float]]


class FakeWatch:
    """Measures one second of wall time and half a second of CPU time, whatever is done."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.wall, self.cpu = 1.0, 0.5


def observed(
    experiment: Experiment, planned: Setting, values: Values, sums: Mapping[str, str] | None = None
) -> Observed:
    """Six rounds of every arm: what `values` has of it, by figure, 1 for all others, varied."""
    arms = experiment.arms(planned)
    runs = [
        _run(arm.name, number, values.get(arm.name, {}), (sums or {}).get(arm.name, "same"))
        for number in range(1, 7)
        for arm in arms
    ]
    return Observed(setting=planned, arms=arms, runs=runs, band=0.02, cpu_band=0.0)


def _run(arm: str, number: int, values: Mapping[str, float], checksum: str) -> Run:
    factor = 1 + 0.001 * (number % 3)
    names = {"rate", "cpu_per_page", "lag_p99", "memory", "wake_p99", "connecting", *values}
    figures = {name: values.get(name, 1.0) * factor for name in names}
    reading = {"wall": 1.0, "user": 1.0, "system": 0.0, "pss": figures.get("pss", 1.0)}
    return Run(
        arm=arm,
        round=number,
        at=0.0,
        seconds=1.0,
        load=0.0,
        elsewhere=0.0,
        checksum=checksum,
        reading=reading,
        figures=figures,
    )


def names(arms: Sequence[Any]) -> set[str]:
    return {arm.name for arm in arms}
