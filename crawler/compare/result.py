"""The result of a comparison as one JSON document, which reports and repeats are made from.

It keeps every turn. What was compared and found stands beside them for people and jq; on reading it
is worked out again from the turns, so that the two cannot differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import msgspec

from crawler.compare import advice, catalogue, runner
from crawler.compare.advice import Decision
from crawler.compare.experiment import (
    Experiment,
    Finding,
    Outcome,
)
from crawler.compare.experiments import noise
from crawler.compare.judgement import (
    Comparison,
    Observed,
    Run,
    band_of,
    compared,
    findings,
    verdict,
)
from crawler.compare.options import CompareConfig
from crawler.compare.runner import Conducted
from crawler.compare.schema import (
    ComparisonDocument,
    ExperimentDocument,
    PartDocument,
    StoredComparison,
    StoredExperiment,
)
from crawler.measure.document import plain, read, text
from crawler.measure.machine import Machine
from crawler.model.errors import ConfigurationError, EnvironmentFailure

Bands = Mapping[str, float]
"""The noise of each kind by its name, 0.02 for 2 %: `fetch` of times, `fetch CPU` of CPU times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one interpreter did in an experiment, and what came of it."""

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
    parts: Sequence[Part]
    rounds: int
    seconds: float
    partial: bool

    @property
    def outcome(self) -> Outcome:
        """What came of its predictions."""
        return verdict([finding for part in self.parts for finding in part.findings])

    @classmethod
    def of(cls, experiment: Experiment, conducted: Conducted, bands: Bands) -> Self:
        """Judge what was run."""
        kind = experiment.noise
        itself = experiment.name == noise.EXPERIMENT.name
        parts = [
            Part.of(
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A comparison. started: RFC 3339, UTC. partial: it was stopped before its end.

    load_after: the machine's load averages at its end; those before are the machine's.

    asked: the names of the experiments that were asked for.
    """

    started: str
    seconds: float
    partial: bool
    asked: Sequence[str]
    config: CompareConfig
    machine: Machine
    examined: Sequence[Examined]
    load_after: tuple[float, ...] = ()

    @property
    def bands(self) -> Bands:
        """The machine's noise of each kind, 0.02 for 2 %; nothing if it was not measured."""
        return bands_of(self.examined)

    @property
    def invalid(self) -> bool:
        """Whether anything cannot be believed."""
        return any(each.outcome == "invalid" for each in self.examined)

    def parts(self, name: str) -> Sequence[Part]:
        """What was found in an experiment; nothing if it was not run."""
        return next((e.parts for e in self.examined if e.experiment.name == name), ())

    @property
    def decisions(self) -> Sequence[Decision]:
        """Which model for which work, as far as it was measured."""
        return advice.decisions(self)

    @property
    def undecided(self) -> Sequence[Decision]:
        """The work that no comparison has decided on, and what is missing."""
        return advice.undecided(self)

    @property
    def advice(self) -> str:
        """A sentence or two for this machine; "" if no comparison of crawls was decided."""
        return advice.advice(self)

    @property
    def json(self) -> dict[str, Any]:
        """The document; `crawler.compare.schema` describes it."""
        return plain(self._document)  # type: ignore[no-any-return]

    @property
    def text(self) -> str:
        """The document as the text of a file."""
        return msgspec.json.format(text(self._document), indent=2).decode() + "\n"

    @property
    def _document(self) -> ComparisonDocument:
        return ComparisonDocument(
            started=self.started,
            seconds=self.seconds,
            load_after=self.load_after,
            partial=self.partial,
            asked=tuple(self.asked),
            config={**asdict(self.config), "sabotage": float(self.config.sabotage)},
            machine=self.machine,
            noise=self.bands,
            advice=self.advice,
            decisions=self.decisions,
            undecided=self.undecided,
            experiments=tuple(map(_experiment_document, self.examined)),
        )

    @classmethod
    def of(cls, stored: StoredComparison) -> Self:
        """Judge what a file has; raises `ConfigurationError` for an experiment that is unknown."""
        catalogue.check(stored.asked)
        examined: list[Examined] = []
        for each in stored.experiments:
            examined.append(_examined(each, bands_of(examined)))
        return cls(
            started=stored.started,
            seconds=stored.seconds,
            partial=stored.partial,
            asked=stored.asked,
            config=CompareConfig.of(stored.config),
            machine=stored.machine,
            examined=examined,
            load_after=stored.load_after,
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a file; raises `EnvironmentFailure` that names it and says what is wrong."""
        stored = read(path, StoredComparison, "a result of a comparison")
        try:
            return cls.of(stored)
        except (KeyError, TypeError, ValueError, AttributeError, ConfigurationError) as error:
            raise EnvironmentFailure(f"{path}: not a result of a comparison: {error}") from None


def bands_of(examined: Sequence[Examined]) -> Bands:
    """The noise of each kind as the first interpreter had it."""
    name = noise.EXPERIMENT.name
    found = next((e.parts[0] for e in examined if e.experiment.name == name and e.parts), None)
    comparisons = found.comparisons if found else ()
    return {noise.named(each.contrast): band_of([each]) for each in comparisons}


def _experiment_document(examined: Examined) -> ExperimentDocument:
    experiment = examined.experiment
    return ExperimentDocument(
        name=experiment.name,
        question=experiment.question,
        claim=experiment.claim,
        outcome=examined.outcome,
        rounds=examined.rounds,
        seconds=examined.seconds,
        partial=examined.partial,
        conditions=tuple(experiment.conditions),
        not_shown=tuple(experiment.not_shown),
        parts=tuple(map(_part_document, examined.parts)),
    )


def _part_document(part: Part) -> PartDocument:
    observed = part.observed
    return PartDocument(
        setting=observed.setting,
        band=observed.band,
        cpu_band=observed.cpu_band,
        findings=part.findings,
        comparisons=part.comparisons,
        arms=tuple(observed.arms),
        runs=tuple(map(_told, observed.runs)),
    )


def _told(run: Run) -> Run:
    """Return a turn without readings and figures that are not numbers: so one is missing."""
    reading, figures = (
        {key: value for key, value in found.items() if math.isfinite(value)}
        for found in (run.reading, run.figures)
    )
    return replace(run, reading=reading, figures=figures)


def _examined(stored: StoredExperiment, bands: Bands) -> Examined:
    """Judge an experiment again from its turns."""
    parts = [
        runner.Part(setting=part.setting, arms=part.arms, runs=part.runs) for part in stored.parts
    ]
    conducted = Conducted(
        parts=parts, rounds=stored.rounds, seconds=stored.seconds, partial=stored.partial
    )
    return Examined.of(catalogue.load(stored.name), conducted, bands)
