"""The JSON Schema (draft 2020-12) of the result of a load: what `--out` writes."""

from __future__ import annotations

from typing import Any

from crawler.load.histogram import BITS, COARSE_BITS
from crawler.load.measured import Failure
from crawler.load.options import LoadConfig
from crawler.load.result import FORMAT, PERCENTILES
from crawler.model.option import Option


def schema() -> dict[str, Any]:
    """The schema of the document that `crawler.load.result.Result.json` gives."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A result of crawler load",
        **_object(
            "A run: what was asked for, where it ran, what was measured. Times are seconds.",
            {
                "format": {"description": "How to read this document.", "const": FORMAT},
                "target": _text("The URL, or the first one of a list; a password is ***."),
                "urls": _integer("How many URLs were asked for in turn.", least=1),
                "started": {
                    "description": "When the measurement began: RFC 3339, UTC.",
                    "type": "string",
                    "format": "date-time",
                },
                "partial": _boolean("Whether the run was stopped before its end."),
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
    options = {name: _option(spec) for name, spec in LoadConfig.options().items()}
    return _object("The options of the run; secrets in header fields are ***.", options)


def _option(spec: Option) -> dict[str, Any]:
    if spec.choices:
        return {"description": spec.help, "enum": list(spec.choices)}
    if spec.type == tuple[str, ...]:
        return {"description": spec.help, "type": "array", "items": {"type": "string"}}
    names = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return {"description": spec.help, "type": names[spec.type]}


def _machine() -> dict[str, Any]:
    return _object(
        "Where the generator ran.",
        {
            "system": _text("Operating system and its version."),
            "processor": _text("The processor's name."),
            "cores": _integer("Cores that the generator could use.", least=1),
            "python": _text("Interpreter and version."),
            "crawler": _text("The version of crawler."),
            "libraries": _map("Library to version, of those installed.", {"type": "string"}),
        },
    )


def _summary() -> dict[str, Any]:
    return _object(
        "What follows from `measured`, for people and jq.",
        {
            "seconds": _number("How long was measured."),
            "attempts": _integer("Hits whose time had come."),
            "answers": _integer("Whole answers, whatever their status."),
            "errors": _integer("Failures, dropped hits, statuses from 400 on."),
            "error_share": _number("Errors among the attempts, 0 to 1."),
            "rate": _number("Answers a second."),
            "received": _integer("Bytes."),
            **_three("figures"),
        },
    )


def _figures() -> dict[str, Any]:
    names = ("mean", "stdev", "min", *PERCENTILES, "max")
    return _object(
        "A distribution in figures.",
        {
            "count": _integer("Values."),
            "lower_bounds": _integer("Those that are known to be at least as long as counted."),
            **{name: _number("Seconds.") for name in names},
        },
    )


def _verdict() -> dict[str, Any]:
    check = _object(
        "One check.",
        {
            "name": _text("What was checked."),
            "ok": _boolean("Whether it held."),
            "value": _null("number", "What was found; null if it could not be read."),
            "bound": _number("What it was held against."),
            "why": _text("The same in words."),
        },
    )
    checks = {"description": "All that were made.", "type": "array", "items": check}
    valid = _boolean("Whether the figures can be believed: every check held.")
    return _object("May the run be believed?", {"valid": valid, "checks": checks})


def _thresholds() -> dict[str, Any]:
    judged = _object(
        "One threshold.",
        {
            "text": _text("As it was written: p99<50ms."),
            "value": _number("What it was held against: seconds, a share, or a rate."),
            "met": _boolean("Whether it was met."),
        },
    )
    return {"description": "Those that were given.", "type": "array", "items": judged}


def _probes() -> dict[str, Any]:
    overflows = "Connections that listen queues had no room for; null if it cannot be read."
    return _object(
        "Readings of the generator itself, over the measured time.",
        {
            "cpu_seconds": _number("Of all its processes, user and system."),
            "cpu_share": _number("Of its busiest process, as a share of a core."),
            "loop_lag": _ref("histogram", "How late timers of the event loop were."),
            "lateness": _ref("histogram", "How late the schedule was looked at."),
            "mean_in_flight": _number("Hits sent and not ended: their mean over time."),
            "listen_overflows": _null("integer", overflows),
        },
    )


def _measured() -> dict[str, Any]:
    return _object(
        "Everything that was counted.",
        {
            "elapsed": _number("How long was measured."),
            **_three("histogram"),
            "statuses": _map("HTTP status to answers.", _integer("Answers.", least=1)),
            "failures": {
                **_map("Kind of failure to hits.", _integer("Hits.", least=1)),
                "propertyNames": {"enum": [kind.value for kind in Failure]},
            },
            "dropped": _integer("Hits given up, as no connection was free."),
            "unfinished": _integer("Hits under way at the end."),
            "received": _integer("Bytes."),
            "carried": _number("Time that hits of the warm-up were in flight after the start."),
            "rows": {
                "description": "What ended in each stretch of the run, in turn.",
                "type": "array",
                "items": {"$ref": "#/$defs/row"},
            },
            "row_seconds": _integer("How long a stretch is.", least=1),
        },
    )


def _histogram() -> dict[str, Any]:
    return _object("Counts in log-linear buckets of microseconds.", _buckets())


def _buckets() -> dict[str, Any]:
    return {
        "bits": {
            "description": "A bucket i under 2 << bits holds i alone; of the others, with"
            " shift = (i >> bits) - 1, the least value is (i - (shift << bits)) << shift, and the"
            " width 1 << shift.",
            "enum": [COARSE_BITS, BITS],
        },
        "lower_bounds": _integer("Values that are known to be at least as long as counted."),
        "buckets": {
            "description": "Index and count in turn, upwards.",
            "type": "array",
            "items": {"type": "integer", "minimum": 0},
        },
    }


def _row() -> dict[str, Any]:
    shown = {name: _number("Seconds.") for name in ("p50", "p90", "p99", "max")}
    latencies = _object("Figures, and the coarse buckets they follow from.", shown | _buckets())
    return _object(
        "One stretch.",
        {
            "at": _integer("Where it begins: seconds after the start."),
            "count": _integer("Answers."),
            "errors": _integer("Failures, dropped hits, statuses from 400 on."),
            **dict.fromkeys(("response", "service", "lag"), latencies),
        },
    )


def _three(kind: str) -> dict[str, Any]:
    starts = {
        "response": "From the intended time to the end.",
        "service": "From sending to the end.",
        "lag": "From the intended time to sending.",
    }
    return {name: _ref(kind, text) for name, text in starts.items()}


def _ref(kind: str, description: str) -> dict[str, Any]:
    return {"description": description, "$ref": f"#/$defs/{kind}"}


def _text(description: str) -> dict[str, Any]:
    return {"description": description, "type": "string"}


def _integer(description: str, *, least: int = 0) -> dict[str, Any]:
    return {"description": description, "type": "integer", "minimum": least}


def _number(description: str) -> dict[str, Any]:
    return {"description": description, "type": "number"}


def _null(kind: str, description: str) -> dict[str, Any]:
    return {"description": description, "type": [kind, "null"]}


def _boolean(description: str) -> dict[str, Any]:
    return {"description": description, "type": "boolean"}


def _map(description: str, values: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "type": "object", "additionalProperties": values}


def _object(description: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": description,
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }
