"""The JSON Schema (draft 2020-12) of the result of a load: what `--out` writes."""

from __future__ import annotations

from typing import Any

from crawler.load.described import (
    boolean,
    configured,
    integer,
    mapping,
    nullable,
    number,
    record,
    ref,
    text,
)
from crawler.load.measured import Failure
from crawler.load.options import LoadConfig
from crawler.load.result import FORMAT, PERCENTILES
from crawler.measure.histogram import BITS, COARSE_BITS


def schema() -> dict[str, Any]:
    """The schema of the document that `crawler.load.result.Result.json` gives."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A result of crawler load",
        **record(
            "A run: what was asked for, where it ran, what was measured. Times are seconds.",
            {
                "format": {"description": "How to read this document.", "const": FORMAT},
                "target": text("The URL, or the first one of a list; a password is ***."),
                "urls": integer("How many URLs were asked for in turn.", least=1),
                "started": {
                    "description": "When the measurement began: RFC 3339, UTC.",
                    "type": "string",
                    "format": "date-time",
                },
                "partial": boolean("Whether the run was stopped before its end."),
                "failure": text("Why the run failed as a whole (too many errors), or empty."),
                "config": _config(),
                "machine": _machine(),
                "summary": _summary(),
                "verdict": _verdict(),
                "thresholds": _thresholds(),
                "probes": _probes(),
                "measured": _measured(),
            },
        ),
        "$defs": {"figures": _figures(), "histogram": _histogram(), "row": _row()},
    }


def _config() -> dict[str, Any]:
    options = {name: configured(spec) for name, spec in LoadConfig.options().items()}
    return record("The options of the run; secrets in header fields are ***.", options)


def _machine() -> dict[str, Any]:
    return record(
        "Where the generator ran.",
        {
            "system": text("Operating system and its version."),
            "processor": text("The processor's name."),
            "cores": integer("Cores that the generator could use.", least=1),
            "python": text("Interpreter and version."),
            "crawler": text("The version of crawler."),
            "libraries": mapping("Library to version, of those installed.", {"type": "string"}),
        },
    )


def _summary() -> dict[str, Any]:
    return record(
        "What follows from `measured`, for people and jq.",
        {
            "seconds": number("How long was measured."),
            "attempts": integer("Hits whose time had come."),
            "answers": integer("Whole answers, whatever their status."),
            "succeeded": integer("Answers with an expected status."),
            "errors": integer("Failures, dropped hits, unexpected statuses."),
            "error_share": number("Errors among the attempts, 0 to 1."),
            "rate": number("Answers a second."),
            "received": integer("Bytes."),
            **_three("figures"),
        },
    )


def _figures() -> dict[str, Any]:
    names = ("mean", "stdev", "min", *PERCENTILES, "max")
    return record(
        "A distribution in figures.",
        {
            "count": integer("Values."),
            "lower_bounds": integer("Those that are known to be at least as long as counted."),
            **{name: number("Seconds.") for name in names},
        },
    )


def _verdict() -> dict[str, Any]:
    check = record(
        "One check.",
        {
            "name": text("What was checked."),
            "ok": boolean("Whether it held."),
            "matters": boolean("Whether anything rests on it; else it is a note."),
            "value": nullable("number", "What was found; null if it could not be read."),
            "bound": number("What it was held against."),
            "why": text("The same in words."),
        },
    )
    checks = {"description": "All that were made.", "type": "array", "items": check}
    valid = boolean("Whether the figures can be believed: every check that matters held.")
    return record("May the run be believed?", {"valid": valid, "checks": checks})


def _thresholds() -> dict[str, Any]:
    judged = record(
        "One threshold.",
        {
            "text": text("As it was written: p99<50ms."),
            "value": number("What it was held against: seconds, a share, or a rate."),
            "met": boolean("Whether it was met."),
            "why": text("What it was missed for besides the value: too many errors; or empty."),
        },
    )
    return {"description": "Those that were given.", "type": "array", "items": judged}


def _probes() -> dict[str, Any]:
    overflows = "Connections that listen queues had no room for; null if it cannot be read."
    return record(
        "Readings of the generator itself, over the measured time.",
        {
            "cpu_seconds": number("Of all its processes, user and system."),
            "cpu_share": number("Of its busiest process, as a share of a core."),
            "loop_lag": ref("histogram", "How late timers of the event loop were."),
            "lateness": ref("histogram", "How late the schedule was looked at."),
            "mean_in_flight": number("Hits sent and not ended: their mean over time."),
            "listen_overflows": nullable("integer", overflows),
            "machine_cpu": nullable("number", "CPU seconds of all programs of the machine."),
            "cores": integer("Cores of the machine, for whomever."),
        },
    )


def _measured() -> dict[str, Any]:
    return record(
        "Everything that was counted.",
        {
            "elapsed": number("How long was measured."),
            **_three("histogram"),
            "statuses": mapping("HTTP status to answers.", integer("Answers.", least=1)),
            "failures": {
                **mapping("Kind of failure to hits.", integer("Hits.", least=1)),
                "propertyNames": {"enum": [kind.value for kind in Failure]},
            },
            "messages": mapping("Kind of failure to the first of its kind.", text("A sentence.")),
            "reopened": integer("Hits sent again, as their connection was closed while idle."),
            "unexpected": integer("Answers with an unexpected status."),
            "dropped": integer("Hits given up, as no connection was free."),
            "unfinished": integer("Hits under way at the end."),
            "received": integer("Bytes."),
            "carried": number("Time that hits of the warm-up were in flight after the start."),
            "rows": {
                "description": "What ended in each stretch of the run, in turn.",
                "type": "array",
                "items": {"$ref": "#/$defs/row"},
            },
            "row_seconds": integer("How long a stretch is.", least=1),
        },
    )


def _histogram() -> dict[str, Any]:
    return record("Counts in log-linear buckets of microseconds.", _buckets())


def _buckets() -> dict[str, Any]:
    return {
        "bits": {
            "description": "A bucket i under 2 << bits holds i alone; of the others, with"
            " shift = (i >> bits) - 1, the least value is (i - (shift << bits)) << shift, and the"
            " width 1 << shift.",
            "enum": [COARSE_BITS, BITS],
        },
        "lower_bounds": integer("Values that are known to be at least as long as counted."),
        "buckets": {
            "description": "Index and count in turn, upwards.",
            "type": "array",
            "items": {"type": "integer", "minimum": 0},
        },
    }


def _row() -> dict[str, Any]:
    shown = {name: number("Seconds.") for name in ("p50", "p90", "p99", "max")}
    latencies = record("Figures, and the coarse buckets they follow from.", shown | _buckets())
    return record(
        "One stretch.",
        {
            "at": integer("Where it begins: seconds after the start."),
            "count": integer("Answers."),
            "errors": integer("Failures, dropped hits, unexpected statuses."),
            **dict.fromkeys(("response", "service", "lag"), latencies),
        },
    )


def _three(kind: str) -> dict[str, Any]:
    starts = {
        "response": "From the intended time to the end.",
        "service": "From sending to the end.",
        "lag": "From the intended time to sending.",
    }
    return {name: ref(kind, text) for name, text in starts.items()}
