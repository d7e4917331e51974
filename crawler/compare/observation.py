"""Turns as they were observed: what one interpreter did in one experiment."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

from msgspec import Struct

from crawler.compare.design import Arm, Interpreter, Setting
from crawler.compare.statistics import quotient, spread
from crawler.compare.stopwatch import Reading
from crawler.measure.json_document import told

_ALL_READINGS = [each.name for each in fields(Reading)]

_READINGS = frozenset({"wall", "rss", "pss"})
"""Those that are figures by their own name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One turn, in its own process."""

    arm: Annotated[str, told("The arm's name.")]
    round: Annotated[int, told("0 warms up and counts for nothing.", ge=0)]
    at: Annotated[float, told("Start time: seconds since the experiment began.")]
    seconds: Annotated[float, told("Seconds of the process, start and imports included.")]
    load: Annotated[float, told("The load average over a minute, before it.")]
    elsewhere: Annotated[
        float, told("CPU seconds that the machine spent on other things meanwhile.")
    ]
    failure: Annotated[str, told("The reason for a missing reading; empty if there is one.")] = ""
    gil: Annotated[bool, told("True if the lock was on at its end.")] = True
    checksum: Annotated[str, told("Of what was done: equal for equal work.")] = ""
    errors: Annotated[int, told("Amount of the work that failed.", ge=0)] = 0
    reading: Annotated[
        Mapping[str, int | float],
        told(
            "What the stopwatch read: seconds, bytes and counts; empty after a failure.",
            extra_json_schema={"propertyNames": {"enum": _ALL_READINGS}},
        ),
    ] = field(default_factory=dict)
    figures: Annotated[Mapping[str, int | float], told("Figures of the experiment's own.")] = field(
        default_factory=dict
    )
    notes: Annotated[Mapping[str, Any], told("Further values, as JSON.")] = field(
        default_factory=dict
    )

    def value(self, name: str) -> float:
        """Return a figure by name: of the reading, `cpu` (user and system), or an own one."""
        if name == "cpu":
            return self.reading.get("user", math.nan) + self.reading.get("system", math.nan)
        if name in _READINGS:
            return self.reading.get(name, math.nan)
        return self.figures.get(name, math.nan)


class InterpreterRuns(Struct, frozen=True, kw_only=True):
    """One interpreter in one experiment."""

    setting: Annotated[Setting, told("The setting that the arms were planned by.")]
    arms: Annotated[Sequence[Arm], told("The arms that were run.")]
    runs: Annotated[Sequence[Run], told("Every turn, in its order.")]


class Conducted(Struct, frozen=True, kw_only=True):
    """One experiment, as it was run."""

    name: Annotated[str, told("Its name.")]
    rounds: Annotated[int, told("Rounds that count; the one that warms up does not.", ge=0)]
    seconds: Annotated[float, told("Duration in seconds.")]
    partial: Annotated[bool, told("True if it was stopped before its end.")]
    parts: Annotated[
        tuple[InterpreterRuns, ...], told("The turns of each interpreter; the first ran it all.")
    ]


class Observed(InterpreterRuns, frozen=True, kw_only=True):
    """The turns of one interpreter in one experiment, with the noise to hold them against."""

    band: Annotated[
        float | None,
        told(
            "The noise that differences are compared with; null for the noise itself, or for none."
        ),
    ]
    cpu_band: Annotated[float | None, told("The same for CPU times.")]

    @property
    def interpreter(self) -> Interpreter:
        """The interpreter."""
        return self.setting.interpreter

    @property
    def gil(self) -> bool:
        """True if the lock was on in all turns that can tell."""
        return all(run.gil for run in self.runs if not run.failure)

    def of(self, arm: str) -> list[Run]:
        """Return the turns of an arm that count, failed ones too, in their order."""
        return [run for run in self.runs if run.arm == arm and run.round]

    def good(self, arm: str) -> list[Run]:
        """Return the turns of an arm that count and have not failed, in their order."""
        return [run for run in self.of(arm) if not run.failure]

    def values(self, arm: str, figure: str) -> list[float]:
        """Return a figure of an arm in each turn that has it; infinity is none."""
        found = (run.value(figure) for run in self.good(arm))
        return [value for value in found if math.isfinite(value)]

    def quotients(self, arm: str, above: str, below: str) -> list[float]:
        """Return one figure over another in each turn of an arm; nan without a ratio."""
        return [quotient(run.value(above), run.value(below)) for run in self.good(arm)]

    def median(self, arm: str, figure: str = "wall") -> float:
        """Return the median; nan if there is none."""
        return spread(self.values(arm, figure)).median

    def notes(self, arm: str, name: str) -> list[Any]:
        """Return what the turns of an arm noted under a name."""
        return [run.notes[name] for run in self.of(arm) if name in run.notes]

    def trouble(self, arm: str) -> str:
        """Return why comparisons with an arm are void; "" if they are not."""
        group = next((each.equal for each in self.arms if each.name == arm), "")
        runs = self.of(arm)
        failed = [run.failure for run in runs if run.failure]
        if not runs and (tried := [run.failure for run in self.runs if run.arm == arm]):
            return f"{arm}: could not be warmed up: {tried[-1]}" if tried[-1] else ""
        if failed:
            return f"{arm}: {len(failed)} of {len(runs)} turns failed: {failed[0]}"
        errors = sum(run.errors for run in runs)
        if errors:
            return f"{arm}: {errors} errors"
        # The checksum that most turns of the group have.
        members = {each.name for each in self.arms if each.equal == group}
        sums = Counter(r.checksum for r in self.runs if r.arm in members and not r.failure)
        usual = max(sums, key=lambda text: sums[text], default="")
        odd = [run.checksum for run in runs if group and run.checksum != usual]
        if odd:
            return f"{arm}: other work was done: checksum {odd[0][:12]} and not {usual[:12]}"
        return ""
