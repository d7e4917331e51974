"""Settings and turns made by hand."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from crawler.compare.design import Arm, Finding, Interpreter, Mode, Setting
from crawler.compare.experiment import Experiment
from crawler.compare.judgement import compared, findings
from crawler.compare.observation import Observed, Run

HERE = Interpreter(label="", path=sys.executable, version=sys.version.split()[0])
SETTING = Setting(mode="quick", cores=(0, 1), interpreter=HERE)


def run(arm: str, number: int, wall: float = 1.0, **fields: object) -> Run:
    """A turn that took `wall` seconds."""
    reading = {"wall": wall, "user": wall, "system": 0.0}
    usual: dict[str, object] = {"at": 0.0, "seconds": wall, "load": 0.0, "elsewhere": 0.0}
    usual |= {"reading": reading, "checksum": "same"}
    values = {**usual, **fields}
    return Run(arm=arm, round=number, **values)  # type: ignore[arg-type]


def observed(
    walls: Mapping[str, Sequence[float]],
    *,
    band: float | None = 0.01,
    extra: Sequence[Run] = (),
) -> Observed:
    """Arms by their wall times, one a round from round 1 on."""
    runs = [run(arm, 1 + n, wall) for arm, times in walls.items() for n, wall in enumerate(times)]
    arms = [Arm(name=name) for name in walls]
    return Observed(setting=SETTING, arms=arms, runs=[*runs, *extra], band=band, cpu_band=0.0)


def setting(cores: int = 2, *, mode: Mode = "quick", urls: str = "", **interpreter: Any) -> Setting:
    """A setting; the interpreter is a 3.11 with its lock on, unless told otherwise."""
    usual = {"label": "", "path": sys.executable, "version": "3.11.7"}
    python = Interpreter(**{**usual, **interpreter})
    return Setting(mode=mode, cores=tuple(range(cores)), interpreter=python, urls=urls)


def found(experiment: Experiment, seen: Observed) -> dict[str, Finding]:
    """What came of each prediction, by its claim."""
    comparisons = compared(seen, experiment.contrasts(seen.setting))
    return {each.claim: each for each in findings(experiment, seen, comparisons)}


def outcome(claims: Mapping[str, Finding], words: str) -> str:
    """The outcome of the one claim with these words in it."""
    (one,) = (each.outcome for claim, each in claims.items() if words in claim)
    return one
