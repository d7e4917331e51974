"""The file of a comparison, `results.json`: what is read back, and what is written.

Turns are read; what was compared and found follows from them and is worked out again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Struct

from crawler.compare.advice import Decision
from crawler.compare.compare_config import CompareConfig
from crawler.compare.design import Finding, Outcome
from crawler.compare.judgement import Comparison
from crawler.compare.observation import InterpreterRuns
from crawler.measure import json_document
from crawler.measure.json_document import told
from crawler.measure.machine import Machine

_FORMAT: Literal["crawler-compare/1"] = "crawler-compare/1"


class PartDocument(InterpreterRuns, frozen=True, kw_only=True):
    """One interpreter in one experiment, with its outcome."""

    band: Annotated[
        float | None,
        told(
            "The noise that differences are compared with; null for the noise itself, or for none."
        ),
    ]
    cpu_band: Annotated[float | None, told("The same for CPU times.")]
    findings: Annotated[Sequence[Finding], told("The outcome of each prediction.")]
    comparisons: Annotated[Sequence[Comparison], told("The planned comparisons and their answers.")]


class StoredExperiment(Struct, frozen=True, kw_only=True):
    """One experiment."""

    name: Annotated[str, told("Its name.")]
    rounds: Annotated[int, told("Rounds that count; the one that warms up does not.", ge=0)]
    seconds: Annotated[float, told("Duration in seconds.")]
    partial: Annotated[bool, told("True if it was stopped before its end.")]
    parts: Annotated[
        tuple[InterpreterRuns, ...], told("The turns of each interpreter; the first ran it all.")
    ]


class ExperimentDocument(StoredExperiment, frozen=True, kw_only=True):
    """One experiment, with its outcome."""

    question: Annotated[str, told("Its question.")]
    claim: Annotated[str, told("Its claim.")]
    outcome: Annotated[Outcome, told("The worst that came of a prediction.")]
    conditions: Annotated[tuple[str, ...], told("Under what conditions, in sentences.")]
    not_shown: Annotated[tuple[str, ...], told("Its limits, in sentences.")]
    parts: Annotated[
        tuple[PartDocument, ...], told("The turns of each interpreter; the first ran it all.")
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
    experiments: Annotated[
        tuple[StoredExperiment, ...], told("Those that were run, in their order.")
    ]


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
