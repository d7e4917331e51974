"""The result of a load run as one JSON document, which compares, reports and schemas read.

`schema` describes it. It keeps all that was asked for and all that was
measured, buckets included: whatever a report shows can be computed again from the file.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from msgspec import field
from msgspec.structs import fields

from crawler.load.load_config import LoadConfig
from crawler.load.measured import BY_KIND, ErrorKind, Measured, TargetCounts
from crawler.load.series import LAG, RESPONSE, SERVICE, Seconds
from crawler.load.threshold import Threshold
from crawler.load.validity import Probes, Verdict
from crawler.measure.histogram import Histogram
from crawler.measure.json_document import TIME, Record, plain, read, text, told
from crawler.measure.json_document import schema as described
from crawler.measure.machine import packages, processor, python
from crawler.model.secrets import hidden
from crawler.model.version import VERSION
from crawler.runtime.limits import cores

FORMAT: Literal["crawler-load/1"] = "crawler-load/1"
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


class Generator(Record, frozen=True, kw_only=True):
    """The generator's machine: figures of two machines cannot be compared."""

    system: Annotated[str, told("Operating system and its version.")]
    processor: Annotated[str, told("The processor's name.")]
    cores: Annotated[int, told("Cores that the generator could use.", ge=1)]
    python: Annotated[str, told("Interpreter and version.")]
    crawler: Annotated[str, told("The version of crawler.")]
    libraries: Annotated[Mapping[str, str], told("Library to version, of those installed.")]

    @classmethod
    def here(cls) -> Self:
        """Return this process's machine; `cores` are those that it may use."""
        return cls(
            system=platform.platform(),
            processor=processor(),
            cores=cores(),
            python=python(),
            crawler=VERSION,
            libraries=packages(_LIBRARIES),
        )


class Judged(Record, frozen=True, kw_only=True):
    """One threshold, and whether it was met."""

    text: Annotated[str, told("As it was written: p99<50ms.")]
    value: Annotated[float, told("The measured value: seconds, a share, or a rate.")]
    met: Annotated[bool, told("True if it was met.")]
    why: Annotated[
        str, told("The reason besides the value that it was missed: too many errors; or empty.")
    ] = ""

    @property
    def but(self) -> str:
        """The end of a sentence on its value: why it was missed nevertheless."""
        return ", but too many requests failed" if self.why else ""

    @classmethod
    def of(cls, threshold: Threshold, measured: Measured, most_errors: float) -> Self:
        """Hold what was measured against a threshold.

        Failures are fast, and leave the others more room: where there are too many of them, only a
        threshold on errors themselves can be met.
        """
        why = "" if threshold.about_errors else _failure(threshold, measured, most_errors)
        met = threshold.met(measured) and not why
        return cls(text=str(threshold), value=threshold.value(measured), met=met, why=why)


def _failure(threshold: Threshold, measured: Measured, most_errors: float) -> str:
    """Return why the run, or the target of the threshold, has failed as a whole; or ""."""
    return measured.failure(most_errors) or threshold.about(measured).failure(most_errors)


class Figures(Record, frozen=True, kw_only=True):
    """A distribution in figures."""

    count: Annotated[int, told("Values.", ge=0)]
    lower_bounds: Annotated[int, told("Values known to be at least as long as counted.", ge=0)]
    mean: Seconds
    stdev: Seconds
    min: Seconds
    p50: Seconds
    p75: Seconds
    p90: Seconds
    p99: Seconds
    p99_9: Seconds = field(name="p99.9")
    p99_99: Seconds = field(name="p99.99")
    max: Seconds

    @classmethod
    def of(cls, histogram: Histogram) -> Self:
        """Return the figures of a histogram."""
        quantiles = histogram.quantiles(PERCENTILES.values())
        names = (name.replace(".", "_") for name in PERCENTILES)
        ends = {"min": histogram.smallest, "max": histogram.largest}
        return cls.taken(histogram, **ends, **dict(zip(names, quantiles, strict=True)))


class TargetSummary(Record, frozen=True, kw_only=True):
    """A target in figures."""

    name: Annotated[str, told("Its name, or method and path.")]
    attempts: Annotated[int, told("Hits whose time had come.", ge=0)]
    answers: Annotated[int, told("Whole answers, whatever their status.", ge=0)]
    errors: Annotated[int, told("Failures, dropped hits, unexpected statuses.", ge=0)]
    rate: Annotated[float, told("Answers a second.")]
    statuses: Annotated[Mapping[int, int], told("HTTP status to answers.")]
    p50: Annotated[float, told("Response latency, seconds.")]
    p90: Annotated[float, told("Response latency, seconds.")]
    p99: Annotated[float, told("Response latency, seconds.")]

    @classmethod
    def of(cls, target: TargetCounts, elapsed: float) -> Self:
        """Return the figures of a target."""
        p50, p90, p99 = target.response.quantiles((0.5, 0.9, 0.99))
        counts = {"answers": target.count, "errors": target.failed}
        return cls.taken(target, **counts, rate=target.rate(elapsed), p50=p50, p90=p90, p99=p99)


class Summary(Record, frozen=True, kw_only=True):
    """Figures that follow from `measured`, for people and jq."""

    seconds: Annotated[float, told("Measured seconds.")]
    attempts: Annotated[int, told("Hits whose time had come.", ge=0)]
    answers: Annotated[int, told("Whole answers, whatever their status.", ge=0)]
    succeeded: Annotated[int, told("Answers with an expected status.", ge=0)]
    errors: Annotated[int, told("Failures, dropped hits, unexpected statuses.", ge=0)]
    error_share: Annotated[float, told("Errors among the attempts, 0 to 1.")]
    rate: Annotated[float, told("Answers a second.")]
    received: Annotated[int, told("Bytes.", ge=0)]
    response: Annotated[Figures, RESPONSE]
    service: Annotated[Figures, SERVICE]
    lag: Annotated[Figures, LAG]
    errors_by_kind: Annotated[Mapping[str, ErrorKind], BY_KIND] = {}
    targets: Annotated[tuple[TargetSummary, ...], told("A row for each target.")] = ()

    @classmethod
    def of(cls, measured: Measured) -> Self:
        """Return the figures that most people want."""
        return cls.taken(
            measured,
            seconds=measured.elapsed,
            answers=measured.count,
            response=Figures.of(measured.response),
            service=Figures.of(measured.service),
            lag=Figures.of(measured.lag),
            errors_by_kind=measured.kinds,
            targets=tuple(TargetSummary.of(each, measured.elapsed) for each in measured.targets),
        )


class LoadResult(Record, frozen=True, kw_only=True):
    """A run: options, machine, measurements and verdict."""

    format: Annotated[Literal["crawler-load/1"], told("Format of this document.")] = FORMAT
    target: Annotated[str, told("The URL, or the first one of a list; a password is ***.")]
    urls: Annotated[int, told("URLs that were requested in turn.", ge=1)]
    started: Annotated[str, told("Start time: RFC 3339, UTC.", extra_json_schema=TIME)]
    partial: Annotated[bool, told("True if the run was stopped before its end.")] = False
    config: Annotated[LoadConfig, told("The options of the run; secrets in header fields are ***.")]
    machine: Annotated[Generator, told("The generator's machine.")]
    verdict: Annotated[Verdict, told("May the run be believed?")]
    thresholds: Annotated[tuple[Judged, ...], told("Those that were given.")] = ()
    probes: Annotated[Probes, told("Readings of the generator itself, over the measured time.")]
    measured: Annotated[Measured, told("Everything that was counted.")]

    @property
    def met(self) -> bool:
        """True if every threshold was met."""
        return all(judged.met for judged in self.thresholds)

    @property
    def failure(self) -> str:
        """The reason that the run failed, whatever its latencies are; "" if it has not."""
        return self.measured.failure(self.config.max_errors)

    @property
    def failed(self) -> bool:
        """True if there were more errors than allowed, or than a threshold on them says.

        That is so whether or not the generator kept up.
        """
        bad = (each for each in self.thresholds if not each.met)
        return bool(self.failure) or any(Threshold.read(each.text).about_errors for each in bad)

    @property
    def json(self) -> dict[str, Any]:
        """The document, without passwords in the URL and in header fields that log in."""
        return plain(self._document)  # type: ignore[no-any-return]

    @property
    def text(self) -> str:
        """The document as the text of a file: each of its parts on a line, for `diff`."""
        document = self._document
        parts = {each.encode_name: getattr(document, each.name) for each in fields(document)}
        lines = (f'"{name}": {text(part).decode()}' for name, part in parts.items())
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @property
    def _document(self) -> LoadDocument:
        config = replace(self.config, header=tuple(map(hidden, self.config.header)))
        own = {each.name: getattr(self, each.name) for each in fields(LoadResult)}
        own |= {"target": _LOGIN.sub("***@", self.target), "config": config}
        return LoadDocument(**own, why=self.failure, summary=Summary.of(self.measured))

    @classmethod
    def read(cls, path: str) -> LoadResult:
        """Read a file; raise `EnvironmentFailure` that names it and says what is wrong."""
        return read(Path(path), LoadDocument, "a result of a load")


class LoadDocument(LoadResult, frozen=True, kw_only=True):
    """A result as its file has it, with what follows from the rest."""

    why: Annotated[
        str, told("The reason that the run failed as a whole (too many errors), or empty.")
    ] = field(name="failure")
    summary: Annotated[Summary, told("Figures that follow from `measured`.")]


def schema() -> dict[str, Any]:
    """Return the JSON Schema of what `--out` writes."""
    return described(LoadDocument, "A result of crawler load", LoadConfig)
