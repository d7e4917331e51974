"""From turns to findings: what was compared, what was predicted, and what came out.

Only whole rounds are compared: a ratio of a round needs both of its arms in it. A turn that failed,
or whose checksum differs from that of arms that claim the same work, voids every comparison with
its arm: a rate of different work means nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from msgspec.structs import asdict

from crawler.compare.design import Contrast, Figure, Finding, Outcome, Word
from crawler.compare.experiment import Experiment
from crawler.compare.experiments import noise
from crawler.compare.observation import Conducted, Observed
from crawler.compare.statistics import (
    LEAST_ROUNDS,
    MARGIN,
    MOST_MORE,
    Estimate,
    Spread,
    estimate,
    holm,
    more_rounds,
    quotient,
    spread,
    word_for,
)
from crawler.measure.interval import Ratio
from crawler.measure.json_document import told
from crawler.measure.quantity import number

_MOST_MARGIN = 0.1
"""A restless machine makes no difference of more than 10 % unimportant; it makes it unknown."""
_MOST_NOISE = 0.25
"""Where the same thing twice may differ by more, nothing is known of it, not even that it is the
same."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A planned comparison and its answer."""

    contrast: Annotated[Contrast, told("As it was planned.")]
    base: Annotated[Spread, told("The figure of the base.")]
    other: Annotated[Spread, told("The figure of the other.")]
    ratio: Annotated[Ratio | None, told("The ratio, with its 95 % interval; null if unknown.")]
    judged: Annotated[Ratio | None, told("The interval, wider, that the word rests on.")]
    word: Annotated[Word, told("The answer.")]
    rounds: Annotated[int, told("Rounds that were compared.", ge=0)]
    more: Annotated[
        int, told("About how many more would tell; 0 if none are needed, or none would.", ge=0)
    ] = 0
    why: Annotated[
        str,
        told("The reason that it is invalid, or inconclusive for ever; empty if it is neither."),
    ] = ""


def compared(observed: Observed, contrasts: Sequence[Contrast]) -> list[Comparison]:
    """Judge every planned comparison, all together."""
    ratios = [list(_ratios(observed, contrast)) for contrast in contrasts]
    found = [
        None if _void(observed, contrast) else estimate(each, seed=observed.setting.seed)
        for contrast, each in zip(contrasts, ratios, strict=True)
    ]
    levels = iter(holm([each.p for each in found if each]))
    confidences = [next(levels) if each else 0.0 for each in found]
    together = zip(contrasts, map(len, ratios), found, confidences, strict=True)
    return [_judged(observed, *parts) for parts in together]


def band_of(comparisons: Sequence[Comparison]) -> float:
    """Return the smallest difference that repeated runs of the same thing allow, 0.02 for 2 %.

    It is half of the widest interval that a word rests on, or the far end of one that the same does
    not lie in: what favours a side here favours one elsewhere. Infinite where there is none.
    """
    return max((_room(each.judged) for each in comparisons), default=math.inf)


def findings(
    experiment: Experiment, observed: Observed, comparisons: Sequence[Comparison]
) -> list[Finding]:
    """Return the finding of each prediction: the comparisons first, then the checks."""
    return [*map(_finding, comparisons), *experiment.checks(observed)]


def verdict(found: Sequence[Finding]) -> Outcome:
    """Return the worst outcome of an experiment's predictions."""
    order: tuple[Outcome, ...] = ("invalid", "otherwise", "undecided", "as predicted")
    for outcome in order:
        if any(each.outcome == outcome for each in found):
            return outcome
    return "told"


def _void(observed: Observed, contrast: Contrast) -> str:
    """Return why nothing can be compared; "" if it can."""
    return observed.trouble(contrast.base) or observed.trouble(contrast.other)


def _ratios(observed: Observed, contrast: Contrast) -> Iterator[float]:
    """Yield how many times better `other` was than `base` in each round that has both."""
    name = contrast.figure.name
    base, other = (
        {run.round: run.value(name) for run in observed.of(arm) if not run.failure}
        for arm in (contrast.base, contrast.other)
    )
    for turn in sorted(base.keys() & other.keys()):
        a, b = base[turn], other[turn]
        below, above = (a, b) if contrast.figure.more else (b, a)
        yield quotient(above, below)


def _judged(
    observed: Observed, contrast: Contrast, rounds: int, found: Estimate | None, confidence: float
) -> Comparison:
    void = _void(observed, contrast)
    judged = found.drawn.interval(confidence) if found else None
    band, margin = _bounds(observed, contrast.figure, judged)
    word: Word = "invalid" if void else word_for(found, confidence, band, margin)
    why = void or (_never(found, rounds, band) if word == "inconclusive" else "")
    if word != "inconclusive" or why:  # decided, or no number of rounds would decide it
        more = 0
    else:
        more = more_rounds(found, confidence, band, margin) if found else LEAST_ROUNDS - rounds
    base, other = (
        spread(observed.values(arm, contrast.figure.name))
        for arm in (contrast.base, contrast.other)
    )
    ratio = found.ratio if found else None
    return Comparison(contrast, base, other, ratio, judged, word, rounds, more, why)


def _never(found: Estimate | None, rounds: int, band: float) -> str:
    """Return why more rounds would not decide a comparison; "" if they would."""
    if found is None:
        return "not every round has the figure, above 0" if rounds >= LEAST_ROUNDS else ""
    return "the machine's noise could not be told" if math.isinf(band) else ""


def _bounds(observed: Observed, figure: Figure, judged: Ratio | None) -> tuple[float, float]:
    """Return the least difference that has a word, and the least that matters."""
    if observed.band is None:  # the noise itself: that the same differs by no more than that
        return 0.0, min(max(MARGIN, 2 * _half(judged)), _MOST_NOISE)
    band = {"wall": observed.band, "cpu": observed.cpu_band or 0.0, "": 0.0}[figure.noise]
    return band, min(max(MARGIN, band), _MOST_MARGIN)


def _half(judged: Ratio | None) -> float:
    """Return half of an interval, 0.02 for 2 % either way; infinite where there is none."""
    if judged is None or judged.low <= 0:
        return math.inf
    return math.expm1(math.log(judged.high / judged.low) / 2)


def _room(judged: Ratio | None) -> float:
    """Return the difference that an A/A interval allows, 0.02 for 2 %; infinite without one."""
    half = _half(judged)
    if judged is None or judged.low <= 1 <= judged.high or math.isinf(half):
        return half
    return max(judged.high, 1 / judged.low) - 1


def _finding(comparison: Comparison) -> Finding:
    contrast, outcome, text = comparison.contrast, _outcome(comparison), said(comparison)
    if outcome == "otherwise" and contrast.otherwise:
        text += f". {contrast.otherwise}"
    return Finding(contrast.claim, outcome, text)


def decided(comparison: Comparison) -> bool:
    """Tell whether it has an answer, so that something may rest on it.

    That it is not faster, or not slower, is one where that was the question.
    """
    if comparison.word == "inconclusive":
        return _outcome(comparison) == "as predicted"
    return comparison.word != "invalid"


def said(comparison: Comparison) -> str:
    """Return a comparison as a sentence without its subject: word, ratio, interval, rounds.

    That it is not faster, or not slower, is a word too, where that was the question.
    """
    if comparison.word == "invalid":
        return f"invalid: {comparison.why}"
    ratio = comparison.ratio
    if ratio is None:
        return f"inconclusive: {missing(comparison)}"
    shown = (
        f"{number(ratio.value)} {comparison.contrast.figure.ratio} "
        f"({number(ratio.low)} to {number(ratio.high)}; {comparison.rounds} rounds)"
    )
    if comparison.word != "inconclusive":
        return f"{_spoken(comparison.word, comparison.contrast)}: {shown}"
    if _outcome(comparison) == "as predicted":
        return f"{_spoken(comparison.contrast.expect, comparison.contrast)}: {shown}"
    return f"inconclusive: {shown}; {missing(comparison)}"


def missing(comparison: Comparison) -> str:
    """Return what an inconclusive comparison lacks: rounds, or what no round would mend."""
    if comparison.why:
        return comparison.why
    if comparison.ratio is None:
        return f"too few rounds; it takes at least {comparison.more} more"
    if comparison.more >= MOST_MORE:
        return f"not even {MOST_MORE:,} more rounds would tell"
    rounds = "round" if comparison.more == 1 else "rounds"
    return f"about {comparison.more:,} more {rounds} would tell"


def _spoken(word: str, contrast: Contrast) -> str:
    better, worse = contrast.figure.words
    return word.replace("faster", better).replace("slower", worse)


def _outcome(comparison: Comparison) -> Outcome:
    expect, word = comparison.contrast.expect, comparison.word
    if word == "invalid":
        return "invalid"
    if not expect:
        return "told"
    if expect in ("not faster", "not slower"):
        return _excluded(comparison, expect.removeprefix("not "))
    if word == "inconclusive":
        return "undecided"
    if word != expect:
        return "otherwise"
    return _enough(comparison)


def _excluded(comparison: Comparison, word: str) -> Outcome:
    """Judge a prediction of "not so": it holds if the interval leaves hardly room for it."""
    if comparison.word == word:
        return "otherwise"
    ratio = comparison.ratio
    if ratio is None:
        return "undecided"
    reach = ratio.high if word == "faster" else 1 / ratio.low
    held = comparison.word != "inconclusive" or reach <= 1 + MARGIN
    return "as predicted" if held else "undecided"


def _enough(comparison: Comparison) -> Outcome:
    """Judge the amount: all of the interval is as many times better as predicted, or none."""
    least, ratio = comparison.contrast.least, comparison.ratio
    if not least or ratio is None or ratio.low >= least:
        return "as predicted"
    return "otherwise" if ratio.high < least else "undecided"


Bands = Mapping[str, float]
"""The noise of each kind by its name, 0.02 for 2 %: `fetch` of times, `fetch CPU` of CPU times."""


class Assessment(Observed, frozen=True, kw_only=True):
    """One interpreter in one experiment, with its outcome."""

    findings: Annotated[Sequence[Finding], told("The outcome of each prediction.")]
    comparisons: Annotated[Sequence[Comparison], told("The planned comparisons and their answers.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """An experiment with what each interpreter did; the first is the one that ran it all."""

    experiment: Experiment
    parts: Sequence[Assessment]
    rounds: int
    seconds: float
    partial: bool

    @property
    def outcome(self) -> Outcome:
        """The outcome of all its predictions."""
        return verdict([finding for part in self.parts for finding in part.findings])

    @classmethod
    def of(cls, experiment: Experiment, conducted: Conducted, bands: Bands) -> Self:
        """Judge what was run."""
        own = experiment.name == noise.EXPERIMENT.name  # held against nothing
        band = None if own else bands.get(experiment.noise, 0.0)
        cpu_band = 0.0 if own else bands.get(f"{experiment.noise} CPU", 0.0)
        parts = []
        for part in conducted.parts:
            observed = Observed(**asdict(part), band=band, cpu_band=cpu_band)
            comparisons = compared(observed, experiment.contrasts(observed.setting))
            found = findings(experiment, observed, comparisons)
            parts.append(Assessment(**asdict(observed), findings=found, comparisons=comparisons))
        return cls(
            experiment=experiment,
            parts=parts,
            rounds=conducted.rounds,
            seconds=conducted.seconds,
            partial=conducted.partial,
        )


def bands_of(examined: Sequence[Examined]) -> Bands:
    """Return the noise of each kind as the first interpreter had it."""
    name = noise.EXPERIMENT.name
    found = next((e.parts[0] for e in examined if e.experiment.name == name and e.parts), None)
    comparisons = found.comparisons if found else ()
    return {noise.named(each.contrast): band_of([each]) for each in comparisons}


def parts_of(examined: Sequence[Examined], name: str) -> Sequence[Assessment]:
    """Return what each interpreter did in an experiment; nothing if it was not run."""
    return next((each.parts for each in examined if each.experiment.name == name), ())
