"""The result of a load run as one JSON document, which compares, reports and schemas read.

`crawler.load.schema.schema()` describes it. It keeps all that was asked for and all that was
measured, buckets included: whatever a report shows can be computed again from the file.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import orjson

from crawler.load.expected import failure
from crawler.load.measured import Measured
from crawler.load.options import LoadConfig
from crawler.load.threshold import Threshold
from crawler.load.validity import Probes, Verdict
from crawler.measure.histogram import Histogram
from crawler.measure.machine import packages, processor, python
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.secrets import hidden
from crawler.model.version import VERSION
from crawler.runtime.limits import cores

FORMAT = "crawler-load/1"
"""What the document calls itself; a later one that is read differently has another number."""

PERCENTILES: Mapping[str, float] = {
    "p50": 0.5,
    "p75": 0.75,
    "p90": 0.9,
    "p99": 0.99,
    "p99.9": 0.999,
    "p99.99": 0.9999,
}
_LOGIN = re.compile(r"(?<=://)[^/?#@]*@")
_LIBRARIES = ("aiohttp", "httptools", "uvloop")


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator:
    """Where the generator ran: figures of two machines are not to be compared."""

    system: str
    processor: str
    cores: int
    python: str
    crawler: str
    libraries: Mapping[str, str]

    @classmethod
    def here(cls) -> Self:
        """This process's machine; `cores` are those that it may use."""
        return cls(
            system=platform.platform(),
            processor=processor(),
            cores=cores(),
            python=python(),
            crawler=VERSION,
            libraries=packages(_LIBRARIES),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A threshold as it was written, what was measured (in the bound's unit), and the outcome.

    why: what else than the value it is missed for; "" for nothing.
    """

    text: str
    value: float
    met: bool
    why: str = ""

    @classmethod
    def of(cls, threshold: Threshold, measured: Measured, most_errors: float) -> Self:
        """Hold what was measured against a threshold.

        Failures are fast, and leave the others more room: where there are too many of them, only a
        threshold on errors themselves can be met.
        """
        why = "" if threshold.about_errors else failure(measured, most_errors)
        met = threshold.met(measured) and not why
        return cls(text=str(threshold), value=threshold.value(measured), met=met, why=why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A run: what was asked for, where it ran, what was measured and what to think of it.

    `target` is the URL, or the first one of a list of `urls`. `started` is the beginning of the
    measurement, RFC 3339 in UTC. `partial` says that the run was stopped before its end.
    """

    target: str
    urls: int
    started: str
    config: LoadConfig
    machine: Generator
    measured: Measured
    probes: Probes
    verdict: Verdict
    thresholds: tuple[Judged, ...] = ()
    partial: bool = False

    @property
    def met(self) -> bool:
        """Whether every threshold was met."""
        return all(judged.met for judged in self.thresholds)

    @property
    def failure(self) -> str:
        """Why the run has failed, whatever its latencies are; "" if it has not."""
        return failure(self.measured, self.config.max_errors)

    @property
    def failed(self) -> bool:
        """Whether there were too many errors: more than may be, or than a threshold on them says.

        That is so whether or not the generator kept up.
        """
        bad = (each for each in self.thresholds if not each.met)
        return bool(self.failure) or any(Threshold.read(each.text).about_errors for each in bad)

    @property
    def json(self) -> dict[str, Any]:
        """The document; `summary` follows from `measured` and is there for people and jq.

        Passwords in the URL and the values of header fields that log in are `***`.
        """
        return {
            "format": FORMAT,
            "target": _LOGIN.sub("***@", self.target),
            "urls": self.urls,
            "started": self.started,
            "partial": self.partial,
            "failure": self.failure,
            "config": _without_secrets(self.config),
            "machine": asdict(self.machine),
            "summary": summary(self.measured),
            "verdict": self.verdict.json,
            "thresholds": [asdict(judged) for judged in self.thresholds],
            "probes": self.probes.json,
            "measured": self.measured.json,
        }

    @property
    def text(self) -> str:
        """`json` as the text of a file: a line for each of its parts, for `diff` and the eye."""
        lines = (f'"{name}": {orjson.dumps(part).decode()}' for name, part in self.json.items())
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def of(cls, json: Mapping[str, Any]) -> Self:
        """From `json`; raises KeyError, TypeError or ValueError for what it cannot be."""
        if json["format"] != FORMAT:
            raise ValueError(f"its format is {json['format']!r}, not {FORMAT!r}")
        return cls(
            target=str(json["target"]),
            urls=int(json["urls"]),
            started=str(json["started"]),
            config=LoadConfig.of(json["config"]),
            machine=Generator(**json["machine"]),
            measured=Measured.of(json["measured"]),
            probes=Probes.of(json["probes"]),
            verdict=Verdict.of(json["verdict"]),
            thresholds=tuple(Judged(**judged) for judged in json["thresholds"]),
            partial=bool(json["partial"]),
        )

    @classmethod
    def read(cls, path: str) -> Self:
        """From a file; raises `EnvironmentFailure` that names it and says what is wrong."""
        try:
            json = orjson.loads(Path(path).read_bytes())
        except OSError as error:
            raise EnvironmentFailure(f"{path}: cannot be read: {error.strerror}") from None
        except orjson.JSONDecodeError as error:
            raise EnvironmentFailure(f"{path}: is no JSON: {error}") from None
        try:
            return cls.of(json)
        except (KeyError, TypeError, ValueError, ConfigurationError) as error:
            why = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise EnvironmentFailure(f"{path}: is no result of a load: {why}") from None


def _without_secrets(config: LoadConfig) -> dict[str, Any]:
    return {**asdict(config), "header": [hidden(line) for line in config.header]}


def summary(measured: Measured) -> dict[str, Any]:
    """The figures that most people want; seconds, answers a second, bytes."""
    return {
        "seconds": measured.elapsed,
        "attempts": measured.attempts,
        "answers": measured.count,
        "succeeded": measured.succeeded,
        "errors": measured.errors,
        "error_share": measured.error_share,
        "rate": measured.rate,
        "received": measured.received,
        "response": _figures(measured.response),
        "service": _figures(measured.service),
        "lag": _figures(measured.lag),
    }


def _figures(histogram: Histogram) -> dict[str, Any]:
    quantiles = dict(zip(PERCENTILES, histogram.quantiles(PERCENTILES.values()), strict=True))
    return {
        "count": histogram.count,
        "lower_bounds": histogram.lower_bounds,
        "mean": histogram.mean,
        "stdev": histogram.stdev,
        "min": histogram.smallest,
        **quantiles,
        "max": histogram.largest,
    }
