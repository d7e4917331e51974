"""The JSON Schema (draft 2020-12) of the result of a comparison: what `results.json` holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from crawler.compare.experiment import Expected, Mode, Noise, Outcome, Word
from crawler.compare.options import CompareConfig
from crawler.compare.result import FORMAT
from crawler.load.described import (
    boolean,
    choice,
    configured,
    integer,
    listing,
    mapping,
    nullable,
    number,
    record,
    ref,
    text,
)

_Schema = dict[str, Any]


def schema() -> _Schema:
    """The schema of the document that `crawler.compare.result.Result.json` gives."""
    parts = (_setting, _arm, _run, _reading, _contrast, _comparison, _spread, _ratio, _finding)
    named: dict[str, Callable[[], _Schema]] = {each.__name__.lstrip("_"): each for each in parts}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A result of crawler compare",
        **record(
            "A comparison: where it ran, every turn, what follows. Times are seconds, sizes bytes.",
            {
                "format": {"description": "How to read this document.", "const": FORMAT},
                "started": {
                    "description": "When the comparison began: RFC 3339, UTC.",
                    "type": "string",
                    "format": "date-time",
                },
                "seconds": number("How long all of it took."),
                "load_after": listing("Load averages at the end.", {"type": "number"}),
                "partial": boolean("Whether it was stopped before its end."),
                "asked": listing("The experiments that were asked for.", {"type": "string"}),
                "config": _config(),
                "machine": _machine(),
                "noise": _noise(),
                "advice": text("One sentence for this machine; empty where none was decided."),
                "decisions": listing("Which model for which work.", _decision()),
                "undecided": listing("Work without a model yet; why it has none.", _decision()),
                "experiments": listing("Those that were run, in their order.", _experiment()),
            },
        ),
        "$defs": {name: make() for name, make in named.items()},
    }


def _decision() -> _Schema:
    return record(
        "A model for a kind of work.",
        {
            "work": text("The kind of work."),
            "model": text("The model for it."),
            "why": text("What was measured."),
            "experiment": text("The name of the experiment that says so."),
        },
    )


def _config() -> _Schema:
    options = {name: configured(spec) for name, spec in CompareConfig.options().items()}
    return record("The options of the comparison.", options)


def _machine() -> _Schema:
    return record(
        "The machine, and the interpreter that ran the comparison.",
        {
            "system": text("Operating system and its version."),
            "processor": text("The processor's name."),
            "cores": listing("The numbers of the cores that could be used.", {"type": "integer"}),
            "memory": integer("Bytes; 0 where they are not told."),
            "governor": text("How the kernel sets the clock; empty where it is not told."),
            "python": text("Interpreter and version."),
            "build": text("The options that the interpreter was built with."),
            "gil": boolean("Whether it runs under its lock."),
            "switch_interval": number("After how long another thread may ask for the lock."),
            "gc_threshold": listing("When objects are collected.", {"type": "integer"}),
            "flags": mapping("What changes how Python runs: options, PYTHON*.", {"type": "string"}),
            "crawler": text("The version of crawler."),
            "load_before": listing("Load averages over 1, 5, 15 minutes.", {"type": "number"}),
            "busy": number("Cores that something else used before it began."),
        },
    )


def _noise() -> _Schema:
    bands = mapping(
        "Kind of work to the smallest difference that can be told, 0.02 for 2 %; null for none.",
        {"type": ["number", "null"]},
    )
    kinds = [name for kind in get_args(Noise) for name in (kind, f"{kind} CPU")]
    return {**bands, "propertyNames": {"enum": kinds}}


def _experiment() -> _Schema:
    return record(
        "One experiment.",
        {
            "name": text("Its name."),
            "question": text("What it asks."),
            "claim": text("What is held to be true."),
            "outcome": choice("The worst that came of a prediction.", get_args(Outcome)),
            "rounds": integer("How many counted; the one that warms up is none."),
            "seconds": number("How long it took."),
            "partial": boolean("Whether it was stopped before its end."),
            "conditions": listing("Under what conditions, in sentences.", {"type": "string"}),
            "not_shown": listing("What it does not show, in sentences.", {"type": "string"}),
            "parts": listing("What each interpreter did; the first ran it all.", _part()),
        },
    )


def _part() -> _Schema:
    band = "What differences are held against; null for the noise itself, or where there is none."
    return record(
        "One interpreter in one experiment.",
        {
            "setting": ref("setting", "What the arms were planned by."),
            "band": nullable("number", band),
            "cpu_band": nullable("number", "The same for CPU times."),
            "findings": listing("What came of each prediction.", {"$ref": "#/$defs/finding"}),
            "comparisons": listing("What was compared.", {"$ref": "#/$defs/comparison"}),
            "arms": listing("What was run.", {"$ref": "#/$defs/arm"}),
            "runs": listing("Every turn, in its order.", {"$ref": "#/$defs/run"}),
        },
    )


def _setting() -> _Schema:
    interpreter = record(
        "The interpreter.",
        {
            "label": text("What it is called; empty for the one that ran the comparison."),
            "path": text("Where it is."),
            "version": text("Its version."),
            "gil": boolean("Whether its lock is on, with the packages imported."),
            "parser_refusal": text("Why the parser does not load in a subinterpreter; or nothing."),
            "packages": mapping("Package to version, of those installed.", {"type": "string"}),
            "environment": mapping("Variables that it was given.", {"type": "string"}),
        },
    )
    return record(
        "What the arms were planned by.",
        {
            "mode": choice("How thorough.", get_args(Mode)),
            "cores": listing("The numbers of the cores to use.", {"type": "integer"}),
            "interpreter": interpreter,
            "server": text("The base URL of the experiment's server; empty for none."),
            "urls": text("The list that was given; empty for none."),
            "seed": {"description": "Of all that is drawn.", "type": "integer"},
            "latency": number("Of the mock web where it may be chosen, in seconds."),
            "width": integer("Requests in flight where it may be chosen."),
            "call": {"description": "The user's function, inputs, batches.", "type": "object"},
        },
    )


def _arm() -> _Schema:
    return record(
        "One configuration.",
        {
            "name": text("What it is called."),
            "parameters": {"description": "What its work was told.", "type": "object"},
            "equal": text("Arms with the same text claim the same work; empty claims nothing."),
            "limit": number("After how long a turn is given up."),
            "slowed": boolean("Whether it is the side that sabotage slows down."),
            "cores": listing("The cores it may use; none is all.", {"type": "integer"}),
        },
    )


def _run() -> _Schema:
    return record(
        "One turn, in a fresh process.",
        {
            "arm": text("The arm's name."),
            "round": integer("0 warms up and counts for nothing."),
            "at": number("When: after the experiment's begin."),
            "seconds": number("How long the process took, start and imports included."),
            "load": number("The load average over a minute, before it."),
            "elsewhere": number("CPU seconds that the machine spent on other things meanwhile."),
            "failure": text("Why there is no reading; empty if there is one."),
            "gil": boolean("Whether the lock was on at its end."),
            "checksum": text("Of what was done: equal for equal work."),
            "errors": integer("How much of the work failed."),
            "reading": ref("reading", "What the stopwatch read; empty after a failure."),
            "figures": mapping("Figures of the experiment's own.", {"type": "number"}),
            "notes": {"description": "Whatever else was worth keeping.", "type": "object"},
        },
    )


def _reading() -> _Schema:
    found = record(
        "What the measured stretch cost, child processes included.",
        {
            "wall": number("Seconds."),
            "user": number("CPU seconds in programs."),
            "system": number("CPU seconds in the kernel."),
            "children": number("Those of both that child processes spent."),
            "rss": number("Peak memory, the sum of the processes' own peaks."),
            "pss": number("Memory at the end, shared parts divided among those that share them."),
            "voluntary": number("Context switches because it waited."),
            "involuntary": number("Context switches because others wanted the core."),
            "collections": number("Garbage collections."),
            "collecting": number("Seconds of them in all."),
            "longest_collection": number("Seconds of the longest."),
        },
    )
    return {**found, "required": []}


def _contrast() -> _Schema:
    figure = record(
        "What is compared.",
        {
            "name": text("Its name among readings and figures."),
            "title": text("Its name for people."),
            "unit": text("Its unit: s, B, or another."),
            "more": boolean("Whether more of it is better."),
            "ratio": text("What a ratio is called: times as fast."),
            "words": listing("What faster and slower are called.", {"type": "string"}),
            "noise": choice("Which noise it is held against; empty for none.", ("wall", "cpu", "")),
        },
    )
    return record(
        "A comparison as it was planned.",
        {
            "claim": text("What is predicted, in words."),
            "base": text("The arm that is held against."),
            "other": text("The arm that is held against it."),
            "figure": figure,
            "expect": choice("What is predicted; empty for nothing.", get_args(Expected)),
            "least": number("How many times better at least; 0 asks for no amount."),
            "otherwise": text("The explanation, if it comes out otherwise; or nothing."),
        },
    )


def _comparison() -> _Schema:
    ratio = [{"$ref": "#/$defs/ratio"}, {"type": "null"}]
    shown = {"description": "How many times better; null if it cannot be told.", "anyOf": ratio}
    judged = {"description": "The interval, wider, that the word rests on.", "anyOf": ratio}
    return record(
        "A comparison and its answer.",
        {
            "contrast": ref("contrast", "As it was planned."),
            "base": ref("spread", "The figure of the base."),
            "other": ref("spread", "The figure of the other."),
            "ratio": shown,
            "judged": judged,
            "word": choice("The answer.", get_args(Word)),
            "rounds": integer("How many were compared."),
            "more": integer("About how many more would tell; 0 if none are needed, or none would."),
            "why": text("What made it invalid, or inconclusive for ever; empty if nothing did."),
        },
    )


def _spread() -> _Schema:
    return record(
        "Figures in brief.",
        {
            "median": nullable("number", "The middle; null of none."),
            "mad": nullable("number", "The median distance from it; null of none."),
            "count": integer("How many."),
        },
    )


def _ratio() -> _Schema:
    return record(
        "A ratio with its interval of 95 %, or of more where several are judged.",
        {
            "value": number("The ratio."),
            "low": number("The interval's lower end."),
            "high": number("Its upper end."),
        },
    )


def _finding() -> _Schema:
    return record(
        "What came of a prediction.",
        {
            "claim": text("The prediction."),
            "outcome": choice("What came of it.", get_args(Outcome)),
            "text": text("What was found, in a sentence."),
            "detail": text("The same at length; it may have lines, and may be empty."),
            "folded": text("What the detail is, where it is folded away; else empty."),
        },
    )
