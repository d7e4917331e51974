"""From turns to findings: words, predictions that hold or fail, and what voids a comparison."""

from __future__ import annotations

import math

import pytest
from msgspec import structs

from crawler.compare.design import CPU, PSS, WALL, Arm, Contrast, Expected, Figure, Finding, Outcome
from crawler.compare.judgement import Comparison, band_of, compared, findings, number, said, verdict
from crawler.compare.observation import Observed
from tests.compare.made import SETTING, observed, run
from tests.compare.tiny import experiment

EQUAL = [1.0, 1.001, 0.999, 1.002, 0.998, 1.0]
HALF = [each / 2 for each in EQUAL]
DOUBLE = [each * 2 for each in EQUAL]
WILD = [0.4, 2.0, 0.9, 1.8, 0.5, 1.1]


def _contrast(expect: Expected = "", least: float = 0.0, **fields: object) -> Contrast:
    values: dict[str, object] = {"claim": "b beats a", "base": "a", "other": "b", **fields}
    return Contrast(expect=expect, least=least, **values)  # type: ignore[arg-type]


def _one(seen: Observed, contrast: Contrast) -> Comparison:
    return compared(seen, [contrast])[0]


def _outcome(seen: Observed, contrast: Contrast) -> Outcome:
    plan = experiment(seen.arms, [contrast])
    return findings(plan, seen, compared(seen, [contrast]))[0].outcome


@pytest.mark.parametrize(
    ("b", "word"),
    [(HALF, "faster"), (DOUBLE, "slower"), (EQUAL, "indistinguishable"), (WILD, "inconclusive")],
)
def test_each_word_has_its_figures(b: list[float], word: str) -> None:
    """Half the time is faster, twice is slower, the same is no difference, a mess is no answer."""
    assert _one(observed({"a": EQUAL, "b": b}), _contrast()).word == word


def test_more_is_better_where_the_figure_says_so() -> None:
    """A rate that doubles is twice as good, as is a time that halves."""
    rate = Figure(name="rate", title="pages/s", unit="", more=True)
    runs = [
        run(arm, n, figures={"rate": r}) for n in range(1, 7) for arm, r in (("a", 5), ("b", 10))
    ]
    seen = observed({"a": [], "b": []}, extra=runs)
    found = _one(seen, _contrast(figure=rate))
    assert found.word == "faster" and found.ratio is not None
    assert found.ratio.value == pytest.approx(2)


@pytest.mark.parametrize(
    ("expect", "least", "b", "outcome"),
    [
        ("faster", 0, HALF, "as predicted"),
        ("faster", 1.9, HALF, "as predicted"),
        ("faster", 2.5, HALF, "otherwise"),
        ("faster", 0, DOUBLE, "otherwise"),
        ("faster", 0, EQUAL, "otherwise"),
        ("faster", 0, WILD, "undecided"),
        ("slower", 0, DOUBLE, "as predicted"),
        ("slower", 0, HALF, "otherwise"),
        ("not faster", 0, EQUAL, "as predicted"),
        ("not faster", 0, DOUBLE, "as predicted"),
        ("not faster", 0, HALF, "otherwise"),
        ("not faster", 0, WILD, "undecided"),
        ("not slower", 0, HALF, "as predicted"),
        ("not slower", 0, DOUBLE, "otherwise"),
        ("indistinguishable", 0, EQUAL, "as predicted"),
        ("indistinguishable", 0, HALF, "otherwise"),
        ("", 0, HALF, "told"),
    ],
)
def test_a_prediction_can_fail(
    expect: Expected, least: float, b: list[float], outcome: Outcome
) -> None:
    """What came out is held against what was said before, either way."""
    assert _outcome(observed({"a": EQUAL, "b": b}), _contrast(expect, least)) == outcome


def test_an_interval_around_the_amount_leaves_it_undecided() -> None:
    """Twice as fast, give or take, is neither at least 1.95 times nor less."""
    b = [0.45, 0.55, 0.5, 0.52, 0.48, 0.5]
    assert _outcome(observed({"a": EQUAL, "b": b}), _contrast("faster", 1.95)) == "undecided"


def test_other_work_voids_the_comparison() -> None:
    """One turn whose checksum differs makes every comparison with its arm invalid, and says so."""
    seen = observed({"a": EQUAL, "b": HALF[:5]}, extra=[run("b", 6, 0.5, checksum="less")])
    found = _one(seen, _contrast("faster"))
    assert found.word == "invalid" and "other work was done" in found.why
    assert _outcome(seen, _contrast("faster")) == "invalid"


def test_arms_that_claim_nothing_may_differ() -> None:
    """Without a group there is nothing to be equal to."""
    arms = [Arm(name="a", equal=""), Arm(name="b", equal="")]
    runs = [run(arm, n, checksum=f"{arm}{n}") for n in range(1, 7) for arm in "ab"]
    seen = Observed(setting=SETTING, arms=arms, runs=runs, band=0.01, cpu_band=0.0)
    assert _one(seen, _contrast()).word == "indistinguishable"


def test_a_failed_turn_voids_the_comparison() -> None:
    """A rate is never worked out from the turns that happened to go well."""
    seen = observed({"a": EQUAL, "b": HALF}, extra=[run("b", 7, failure="killed by SIGKILL")])
    assert "1 of 7 turns failed: killed by SIGKILL" in _one(seen, _contrast()).why


def test_errors_void_the_comparison() -> None:
    """A turn that left part of its work undone was no such turn."""
    seen = observed({"a": EQUAL, "b": HALF}, extra=[run("b", 7, errors=2)])
    assert _one(seen, _contrast()).why == "b: 2 errors"


def test_the_warm_up_counts_for_nothing() -> None:
    """Neither its time nor its checksum."""
    seen = observed({"a": EQUAL, "b": HALF}, extra=[run("b", 0, 99.0, checksum="cold")])
    assert _one(seen, _contrast()).word == "faster"
    assert seen.values("b", "wall") == HALF


def test_a_round_that_lacks_an_arm_is_left_out() -> None:
    """Only rounds with both arms have a ratio; an interrupted one has none."""
    seen = observed({"a": [*EQUAL, 1.0], "b": HALF})
    assert _one(seen, _contrast()).rounds == 6


@pytest.mark.slow
def test_several_comparisons_are_harder_to_convince() -> None:
    """Holm: beside others, a word rests on a wider interval than alone."""
    b = [0.9, 0.99, 0.93, 0.97, 0.91, 0.96]
    seen = observed({"a": EQUAL, "b": b, **dict.fromkeys("cdefgh", WILD)})
    alone = _one(seen, _contrast())
    others = [_contrast(other=name) for name in "cdefgh"]
    among = compared(seen, [_contrast(), *others])[0]
    assert alone.judged is not None and among.judged is not None
    assert among.judged.low < alone.judged.low and among.judged.high > alone.judged.high
    assert among.ratio == alone.ratio


@pytest.mark.slow
def test_the_noise_is_half_of_the_widest_interval() -> None:
    """Two kinds of noise: the band is the worse one's; without an interval it is infinite."""
    seen = observed({"a": EQUAL, "b": EQUAL[::-1], "c": [1.0, 1.2, 0.9, 1.1, 0.8, 1.0]}, band=None)
    quiet, loud = compared(seen, [_contrast(), _contrast(other="c")])
    assert 0 < band_of([quiet]) < 0.01 < band_of([loud]) == band_of([quiet, loud])
    assert math.isinf(band_of([_one(observed({"a": [1.0], "b": [1.0]}), _contrast())]))
    sure = _one(
        observed({"a": EQUAL, "b": [each * 1.05 for each in EQUAL]}, band=None), _contrast()
    )
    assert band_of([sure]) == pytest.approx(0.05, abs=0.002)  # the same thing differed by so much


@pytest.mark.slow
def test_noise_that_is_a_difference_is_found() -> None:
    """A/A with one side 5 % slower is no noise."""
    slower = [each * 1.05 for each in EQUAL]
    seen = observed({"a": EQUAL, "b": slower}, band=None)
    assert _one(seen, _contrast()).word == "slower"
    assert _outcome(seen, _contrast("indistinguishable")) == "otherwise"
    same = observed({"a": EQUAL, "b": EQUAL[::-1]}, band=None)
    assert _outcome(same, _contrast("indistinguishable")) == "as predicted"


@pytest.mark.slow
def test_each_figure_is_held_against_its_own_noise() -> None:
    """A machine whose times are restless may still tell CPU times and memory apart."""
    slower = [each * 1.1 for each in EQUAL]
    runs = [
        run(arm, n, wall, reading={"wall": wall, "user": wall, "system": 0.0, "pss": wall})
        for arm, walls in (("a", EQUAL), ("b", slower))
        for n, wall in enumerate(walls, 1)
    ]
    arms = [Arm(name=name) for name in "ab"]
    seen = Observed(setting=SETTING, arms=arms, runs=runs, band=0.5, cpu_band=0.2)
    contrasts = [_contrast(figure=figure) for figure in (WALL, CPU, PSS)]
    words = [each.word for each in compared(seen, contrasts)]
    assert words == ["indistinguishable", "indistinguishable", "slower"]
    calm = [each.word for each in compared(structs.replace(seen, cpu_band=0.02), contrasts)]
    assert calm == ["indistinguishable", "slower", "slower"]


@pytest.mark.slow
def test_a_restless_machine_knows_nothing() -> None:
    """A wide interval within a wider noise is no proof of equality, but no answer."""
    assert _one(observed({"a": EQUAL, "b": WILD}, band=3.0), _contrast()).word == "inconclusive"
    noise = _one(observed({"a": EQUAL, "b": WILD}, band=None), _contrast())
    assert noise.word == "inconclusive" and band_of([noise]) > 0.25


@pytest.mark.slow
def test_a_sentence_has_word_interval_and_rounds() -> None:
    """Never a bare ratio."""
    text = said(_one(observed({"a": EQUAL, "b": HALF}), _contrast()))
    assert text.startswith("faster: 2.00 times as fast (") and text.endswith("; 6 rounds)")
    wild = said(_one(observed({"a": EQUAL, "b": WILD}), _contrast()))
    assert wild.startswith("inconclusive: ") and "more rounds would tell" in wild
    few = said(_one(observed({"a": [1.0], "b": [1.0]}), _contrast()))
    assert few == "inconclusive: too few rounds; it takes at least 4 more"


def test_what_more_rounds_cannot_end_says_so() -> None:
    """A figure that is missing or 0 has no ratio in however many rounds, and nobody is sent for."""
    found = _one(observed({"a": EQUAL, "b": HALF}), _contrast(figure=PSS))
    assert (found.word, found.more, found.rounds) == ("inconclusive", 0, 6)
    assert said(found) == "inconclusive: not every round has the figure, above 0"


@pytest.mark.slow
def test_without_a_noise_nothing_has_a_word() -> None:
    """Where A/A failed, twice as fast is not called faster, and above all not indistinguishable."""
    for b, expect in ((HALF, "faster"), (EQUAL[::-1], "indistinguishable")):
        seen = observed({"a": EQUAL, "b": b}, band=math.inf)
        found = _one(seen, _contrast())
        assert (found.word, found.more) == ("inconclusive", 0)
        assert said(found).endswith("the machine's noise could not be told")
        assert _outcome(seen, _contrast(expect)) == "undecided"


def test_what_favours_a_side_of_the_noise_is_noise() -> None:
    """A/A that is 5 % apart, however surely, leaves no word to a difference of 5 %."""
    apart = observed({"a": EQUAL, "b": [each * 1.05 for each in EQUAL]}, band=None)
    assert band_of([_one(apart, _contrast())]) > 0.05


def test_the_worst_finding_is_the_verdict() -> None:
    """Invalid before otherwise before undecided before as predicted; facts alone are told."""

    def finding(outcome: Outcome) -> Finding:
        return Finding(claim="", outcome=outcome, text="")

    assert verdict([finding("as predicted"), finding("undecided")]) == "undecided"
    assert verdict([finding("otherwise"), finding("undecided")]) == "otherwise"
    assert verdict([finding("otherwise"), finding("invalid")]) == "invalid"
    assert verdict([finding("told"), finding("as predicted")]) == "as predicted"
    assert verdict([finding("told")]) == verdict([]) == "told"


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "1.00"), (21.34, "21.3"), (0.0123, "0.0123"), (1250.4, "1,250")]
)
def test_ratios_have_three_digits(value: float, text: str) -> None:
    """More would be a lie, fewer a waste."""
    assert number(value) == text
