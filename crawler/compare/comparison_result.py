"""The result of a comparison as one JSON document, which reports and repeats are made from.

It keeps every turn. What was compared and found is added for people and jq; on reading it
is worked out again from the turns, so that the two cannot differ.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import msgspec

from crawler.compare import advice, catalogue
from crawler.compare.advice import Decision
from crawler.compare.compare_config import CompareConfig
from crawler.compare.examined import Assessment, Bands, Examined, bands_of, parts_of
from crawler.compare.observation import Run
from crawler.compare.runner import Conducted
from crawler.compare.schema import (
    ComparisonDocument,
    ExperimentDocument,
    PartDocument,
    StoredComparison,
)
from crawler.measure.json_document import plain, read, text
from crawler.measure.machine import Machine
from crawler.model.errors import ConfigurationError, EnvironmentFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonResult:
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
        """True if anything cannot be believed."""
        return any(each.outcome == "invalid" for each in self.examined)

    def parts(self, name: str) -> Sequence[Assessment]:
        """Return what was found in an experiment; nothing if it was not run."""
        return parts_of(self.examined, name)

    @property
    def decisions(self) -> Sequence[Decision]:
        """The model for each kind of work, as far as it was measured."""
        return advice.decisions(self.examined)

    @property
    def undecided(self) -> Sequence[Decision]:
        """The work that no comparison has decided on, and what is missing."""
        return advice.undecided(self.examined)

    @property
    def advice(self) -> str:
        """A sentence or two for this machine; "" if no comparison of crawls was decided."""
        return advice.advice(self.examined)

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
            conducted = Conducted(
                parts=each.parts, rounds=each.rounds, seconds=each.seconds, partial=each.partial
            )
            examined.append(Examined.of(catalogue.load(each.name), conducted, bands_of(examined)))
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
        """Read a file; raise `EnvironmentFailure` that names it and says what is wrong."""
        stored = read(path, StoredComparison, "a result of a comparison")
        try:
            return cls.of(stored)
        except (KeyError, TypeError, ValueError, AttributeError, ConfigurationError) as error:
            raise EnvironmentFailure(f"{path}: not a result of a comparison: {error}") from None


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


def _part_document(part: Assessment) -> PartDocument:
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
