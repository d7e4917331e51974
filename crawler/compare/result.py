"""The result of a comparison as one JSON document, which reports and repeats are made from.

It keeps every turn. What was compared and found stands beside them for people and jq; on reading it
is worked out again from the turns, so that the two cannot differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import orjson

from crawler.compare import advice, catalogue, runner
from crawler.compare.advice import Decision
from crawler.compare.experiment import (
    Arm,
    Experiment,
    Finding,
    Interpreter,
    Outcome,
    Setting,
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
from crawler.measure.machine import Machine
from crawler.model.errors import ConfigurationError, EnvironmentFailure

FORMAT = "crawler-compare/1"
"""What the document calls itself; a later one that is read differently has another number."""

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
        return {
            "format": FORMAT,
            "started": self.started,
            "seconds": self.seconds,
            "load_after": list(self.load_after),
            "partial": self.partial,
            "asked": list(self.asked),
            "config": {**asdict(self.config), "sabotage": float(self.config.sabotage)},
            "machine": asdict(self.machine),
            "noise": {kind: _finite(band) for kind, band in self.bands.items()},
            "advice": self.advice,
            "decisions": [asdict(each) for each in self.decisions],
            "undecided": [asdict(each) for each in self.undecided],
            "experiments": [_examined_json(each) for each in self.examined],
        }

    @property
    def text(self) -> str:
        """`json` as the text of a file."""
        return orjson.dumps(self.json, option=orjson.OPT_INDENT_2).decode() + "\n"

    @classmethod
    def of(cls, json: Mapping[str, Any]) -> Self:
        """From `json`; raises KeyError, TypeError or ValueError for what it cannot be."""
        if json["format"] != FORMAT:
            raise ValueError(f"its format is {json['format']!r}, not {FORMAT!r}")
        examined: list[Examined] = []
        for each in json["experiments"]:
            examined.append(_examined(each, bands_of(examined)))
        machine = json["machine"]
        tuples = {n: tuple(machine[n]) for n in ("cores", "gc_threshold", "load_before")}
        return cls(
            started=str(json["started"]),
            seconds=float(json["seconds"]),
            partial=bool(json["partial"]),
            asked=_asked(json["asked"]),
            config=CompareConfig.of(json["config"]),
            machine=Machine(**{**machine, **tuples}),
            examined=examined,
            load_after=tuple(json["load_after"]),
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a file; raises `EnvironmentFailure` that names it and says what is wrong."""
        try:
            return cls.of(orjson.loads(path.read_bytes()))
        except OSError as error:
            raise EnvironmentFailure(f"{path}: cannot be read: {error.strerror}") from None
        except orjson.JSONDecodeError as error:
            raise EnvironmentFailure(f"{path}: is no JSON: {error}") from None
        except (KeyError, TypeError, ValueError, AttributeError, ConfigurationError) as error:
            why = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise EnvironmentFailure(f"{path}: is no result of a comparison: {why}") from None


def _asked(names: Sequence[str]) -> Sequence[str]:
    catalogue.check(names)
    return list(names)


def bands_of(examined: Sequence[Examined]) -> Bands:
    """The noise of each kind as the first interpreter had it."""
    name = noise.EXPERIMENT.name
    found = next((e.parts[0] for e in examined if e.experiment.name == name and e.parts), None)
    comparisons = found.comparisons if found else ()
    return {noise.named(each.contrast): band_of([each]) for each in comparisons}


def _examined_json(examined: Examined) -> dict[str, Any]:
    experiment = examined.experiment
    return {
        "name": experiment.name,
        "question": experiment.question,
        "claim": experiment.claim,
        "outcome": examined.outcome,
        "rounds": examined.rounds,
        "seconds": examined.seconds,
        "partial": examined.partial,
        "conditions": list(experiment.conditions),
        "not_shown": list(experiment.not_shown),
        "parts": [_part_json(part) for part in examined.parts],
    }


def _part_json(part: Part) -> dict[str, Any]:
    observed = part.observed
    return {
        "setting": asdict(observed.setting),
        "band": observed.band if observed.band is None else _finite(observed.band),
        "cpu_band": _finite(observed.cpu_band),
        "findings": [asdict(finding) for finding in part.findings],
        "comparisons": [_plain(asdict(each)) for each in part.comparisons],
        "arms": [asdict(arm) for arm in observed.arms],
        "runs": [_run_json(run) for run in observed.runs],
    }


def _run_json(run: Run) -> dict[str, Any]:
    """A turn; a reading or figure that is no number is left out, which is how one is missing."""
    found = asdict(run)
    for name in ("reading", "figures"):
        found[name] = {key: value for key, value in found[name].items() if math.isfinite(value)}
    return {**found, "notes": _plain(run.notes)}


def _plain(value: Any) -> Any:
    """A value as JSON has it: null for infinity and nan, lists for tuples."""
    match value:
        case float():
            return _finite(value)
        case Mapping():
            return {str(key): _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            return value


def _finite(value: float) -> float | None:
    """JSON has neither infinity nor nan."""
    return value if math.isfinite(value) else None


def _examined(json: Mapping[str, Any], bands: Bands) -> Examined:
    """As it was judged, worked out again from its turns."""
    experiment = catalogue.load(json["name"])
    parts = [_conducted_part(part) for part in json["parts"]]
    conducted = Conducted(
        parts=parts, rounds=json["rounds"], seconds=json["seconds"], partial=json["partial"]
    )
    return Examined.of(experiment, conducted, bands)


def _conducted_part(json: Mapping[str, Any]) -> runner.Part:
    setting = json["setting"]
    return runner.Part(
        setting=Setting(
            **{
                **setting,
                "cores": tuple(setting["cores"]),
                "interpreter": Interpreter(**setting["interpreter"]),
            }
        ),
        arms=[Arm(**{**arm, "cores": tuple(arm["cores"])}) for arm in json["arms"]],
        runs=[Run(**run) for run in json["runs"]],
    )
