"""The result of a comparison as one JSON document, which reports and repeats are made from.

The file, `results.json`, keeps every turn. What was compared and found is added for people and jq;
on reading it is worked out again from the turns, so that the two cannot differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import Struct, structs

from crawler.compare import advice, catalogue
from crawler.compare.advice import Decision
from crawler.compare.compare_config import CompareConfig
from crawler.compare.design import Outcome
from crawler.compare.judgement import Assessment, Bands, Examined, bands_of
from crawler.compare.observation import Conducted, Run
from crawler.measure import json_document
from crawler.measure.json_document import plain, read, text, told
from crawler.measure.machine import Machine
from crawler.model.errors import ConfigurationError, EnvironmentFailure

_FORMAT: Literal["crawler-compare/1"] = "crawler-compare/1"


class ExperimentDocument(Conducted, frozen=True, kw_only=True):
    """One experiment, with its outcome."""

    question: Annotated[str, told("Its question.")]
    claim: Annotated[str, told("Its claim.")]
    outcome: Annotated[Outcome, told("The worst that came of a prediction.")]
    conditions: Annotated[tuple[str, ...], told("Under what conditions, in sentences.")]
    not_shown: Annotated[tuple[str, ...], told("Its limits, in sentences.")]
    parts: Annotated[
        tuple[Assessment, ...], told("The turns of each interpreter; the first ran it all.")
    ]


class StoredComparison(Struct, frozen=True, kw_only=True):
    """A comparison: where it ran, and every turn."""

    format: Annotated[Literal["crawler-compare/1"], told("Format of this document.")] = _FORMAT
    started: Annotated[
        str, told("Start time: RFC 3339, UTC.", extra_json_schema=json_document.TIME)
    ]
    seconds: Annotated[float, told("Duration of all of it, in seconds.")]
    load_after: Annotated[tuple[float, ...], told("Load averages at the end.")]
    partial: Annotated[bool, told("True if it was stopped before its end.")]
    asked: Annotated[tuple[str, ...], told("The experiments that were asked for.")]
    config: Annotated[Mapping[str, Any], told("The options of the comparison.")]
    machine: Annotated[Machine, told("The machine, and the interpreter that ran it.")]
    experiments: Annotated[tuple[Conducted, ...], told("Those that were run, in their order.")]


class ComparisonDocument(StoredComparison, frozen=True, kw_only=True):
    """A comparison: where it ran, every turn, what follows. Times are seconds, sizes bytes."""

    noise: Annotated[
        Mapping[str, float | None],
        told("Kind of work to the smallest difference that can be told, 0.02 for 2 %, or null."),
    ]
    advice: Annotated[str, told("One sentence for this machine; empty where none was decided.")]
    decisions: Annotated[Sequence[Decision], told("The model for each kind of work.")]
    undecided: Annotated[Sequence[Decision], told("Work without a model yet; why it has none.")]
    experiments: Annotated[
        tuple[ExperimentDocument, ...], told("Those that were run, in their order.")
    ]


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the document."""
    return json_document.schema(ComparisonDocument, "A result of crawler compare", CompareConfig)


_SHARED = ("started", "seconds", "partial", "machine", "load_after")
"""What result and file have under the same name."""


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
        """The document; `schema` describes it."""
        return plain(self._document)  # type: ignore[no-any-return]

    @property
    def text(self) -> str:
        """The document as the text of a file."""
        return msgspec.json.format(text(self._document), indent=2).decode() + "\n"

    @property
    def _document(self) -> ComparisonDocument:
        return ComparisonDocument(
            **{name: getattr(self, name) for name in _SHARED},
            asked=tuple(self.asked),
            config={**asdict(self.config), "sabotage": float(self.config.sabotage)},
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
            examined.append(Examined.of(catalogue.load(each.name), each, bands_of(examined)))
        return cls(
            **{name: getattr(stored, name) for name in _SHARED},
            asked=stored.asked,
            config=CompareConfig.of(stored.config),
            examined=examined,
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
        **{name: getattr(examined, name) for name in ("outcome", "rounds", "seconds", "partial")},
        **{name: getattr(experiment, name) for name in ("name", "question", "claim")},
        conditions=tuple(experiment.conditions),
        not_shown=tuple(experiment.not_shown),
        parts=tuple(
            structs.replace(part, runs=tuple(map(_told, part.runs))) for part in examined.parts
        ),
    )


def _told(run: Run) -> Run:
    """Return a turn without readings and figures that are not numbers: so one is missing."""
    reading, figures = (
        {key: value for key, value in found.items() if math.isfinite(value)}
        for found in (run.reading, run.figures)
    )
    return replace(run, reading=reading, figures=figures)
