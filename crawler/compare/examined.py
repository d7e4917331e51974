"""Experiments with what each interpreter did, compared and judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from crawler.compare.design import Finding, Outcome
from crawler.compare.experiment import Experiment
from crawler.compare.experiments import noise
from crawler.compare.judgement import Comparison, band_of, compared, findings, verdict
from crawler.compare.observation import Observed
from crawler.compare.runner import Conducted

Bands = Mapping[str, float]
"""The noise of each kind by its name, 0.02 for 2 %: `fetch` of times, `fetch CPU` of CPU times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The turns of one interpreter in an experiment, compared and judged."""

    observed: Observed
    comparisons: Sequence[Comparison]
    findings: Sequence[Finding]

    @classmethod
    def of(cls, experiment: Experiment, observed: Observed) -> Self:
        """Compare and judge."""
        comparisons = compared(observed, experiment.contrasts(observed.setting))
        found = findings(experiment, observed, comparisons)
        return cls(observed=observed, comparisons=comparisons, findings=found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """An experiment with what each interpreter did; the first is the one that ran it all."""

    experiment: Experiment
    parts: Sequence[Assessment]
    rounds: int
    seconds: float
    partial: bool

    @property
    def outcome(self) -> Outcome:
        """The outcome of all its predictions."""
        return verdict([finding for part in self.parts for finding in part.findings])

    @classmethod
    def of(cls, experiment: Experiment, conducted: Conducted, bands: Bands) -> Self:
        """Judge what was run."""
        kind = experiment.noise
        itself = experiment.name == noise.EXPERIMENT.name
        parts = [
            Assessment.of(
                experiment,
                Observed(
                    experiment=experiment.name,
                    setting=part.setting,
                    arms=part.arms,
                    runs=part.runs,
                    band=None if itself else bands.get(kind, 0.0),
                    cpu_band=0.0 if itself else bands.get(f"{kind} CPU", 0.0),
                ),
            )
            for part in conducted.parts
        ]
        return cls(
            experiment=experiment,
            parts=parts,
            rounds=conducted.rounds,
            seconds=conducted.seconds,
            partial=conducted.partial,
        )


def bands_of(examined: Sequence[Examined]) -> Bands:
    """Return the noise of each kind as the first interpreter had it."""
    name = noise.EXPERIMENT.name
    found = next((e.parts[0] for e in examined if e.experiment.name == name and e.parts), None)
    comparisons = found.comparisons if found else ()
    return {noise.named(each.contrast): band_of([each]) for each in comparisons}


def parts_of(examined: Sequence[Examined], name: str) -> Sequence[Assessment]:
    """Return what each interpreter did in an experiment; nothing if it was not run."""
    return next((each.parts for each in examined if each.experiment.name == name), ())
