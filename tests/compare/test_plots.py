"""The plots of a comparison: what is where in them, and that none fails on what is missing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from crawler.compare import comparison_report
from crawler.compare.charts import charts, drawable, places_of
from crawler.compare.design import Bars, Chart, Lines, Map, Series
from crawler.compare.judgement import Assessment
from crawler.compare.ratio_plots import main_figure, over_time, ratios
from crawler.measure.quantity import quantity
from crawler.report import drawing
from crawler.report.svg import style
from tests.compare import sample


@pytest.fixture(autouse=True)
def drawn_alike() -> Iterator[None]:
    """What is drawn has the settings of the report."""
    with style():
        yield


def _part(number: int = 0) -> Assessment:
    return sample.whole().examined[1].parts[number]


def _xs(svg: str, name: str) -> list[float]:
    """The x of each point of the line with this id, in the drawing's own units."""
    found = re.search(rf'<g id="{name}">\s*<path d="([^"]*)"', svg)
    assert found, name
    return [float(x) for x in re.findall(r"[ML] ([-\d.]+) ", found[1])]


def _svg(chart: Chart) -> str:
    (plot,) = charts([chart], "it")
    return plot.svg


def _lines(**changed: Any) -> Lines:
    series = [Series(name="threads", points=[(1, 2.0), (10, 4.0), (100, math.nan), (1000, 8.0)])]
    fields = {"title": "t", "note": "", "x": "x", "y": "y", "series": series}
    return Lines(**{**fields, **changed})


@pytest.mark.slow
def test_ratios_lie_where_they_belong() -> None:
    """An interval that contains 1 crosses the line at 1, that of a faster arm is right of it."""
    plot = ratios(_part(), "it")
    assert plot
    (one, _) = _xs(plot.svg, "it-one")
    same, faster = _xs(plot.svg, "it-row-1"), _xs(plot.svg, "it-row-2")
    assert same[0] < one < same[1] < faster[0] < faster[1]
    assert 'id="it-noise"' in plot.svg and "it-row-3" not in plot.svg  # the third has no ratio
    assert ">no ratio<" in plot.svg and ">1.90<" in plot.svg


@pytest.mark.slow
def test_the_noise_is_not_held_against_itself() -> None:
    """The plot of the noise has no band, and says nothing of one."""
    plot = ratios(sample.result().examined[0].parts[0], "it")
    assert plot
    assert 'id="it-noise"' not in plot.svg and "shaded" not in plot.note


@pytest.mark.slow
def test_turns_are_in_the_order_of_time() -> None:
    """Each arm's values go from left to right; the warm-up and a failed turn are not among them."""
    plot = over_time(_part(), "it")
    assert plot
    for arm in ("threads-1", "processes-2"):
        xs = _xs(plot.svg, f"it-arm-{arm}")
        assert len(xs) == 8 and xs == sorted(xs)
    assert len(_xs(plot.svg, "it-arm-threads-4")) == 7


@pytest.mark.slow
def test_many_arms_are_drawn_in_groups() -> None:
    """Of 30 arms the legend has 3 groups, and the note says so."""
    part = _part()
    names = [f"{kind} {n}" for kind in ("a", "b", "c") for n in range(10)]
    arms = [replace(part.arms[0], name=name) for name in names]
    made = sample.runs(dict.fromkeys(names, 0.1), rounds=5)
    plot = over_time(structs.replace(part, arms=arms, runs=made), "it")
    assert plot
    assert "30 arms, in groups" in plot.note
    assert len(re.findall(r'id="it-arm-', plot.svg)) == 30
    assert ">a<" in plot.svg and ">a 1<" not in plot.svg


def test_the_figure_of_most_comparisons_is_shown() -> None:
    """The wall time, unless most comparisons are about something else."""
    part = _part()
    assert main_figure(part).name == "wall"
    assert main_figure(structs.replace(part, comparisons=part.comparisons[2:])).name == "cpu"
    assert main_figure(structs.replace(part, comparisons=[])).name == "wall"


@pytest.mark.slow
def test_a_line_leaves_out_what_is_missing() -> None:
    """A point that is nan is no point, and a series without any has no line and no legend."""
    chart = _lines(log_x=True)
    chart = replace(chart, series=[*chart.series, Series(name="gone", points=[(1, math.nan)])])
    svg = _svg(chart)
    xs = _xs(svg, "it-1-line-threads")
    assert len(xs) == 3
    assert xs[1] - xs[0] == pytest.approx((xs[2] - xs[0]) / 3, rel=0.01)  # a logarithmic axis
    assert ">gone<" not in svg


@pytest.mark.slow
def test_an_ideal_line_and_spreads_are_drawn() -> None:
    """The ideal has a line and a name; each spread is a bar of its own."""
    ideal = Series(name="what is possible", points=[(1, 1.0), (2, 2.0)])
    spread = [(1.0, 3.0), (3.0, 5.0), (math.nan, math.nan), (7.0, 9.0)]
    plain = _lines()
    with_bars = replace(plain, series=[replace(plain.series[0], spread=spread)], ideal=ideal)
    svg = _svg(with_bars)
    assert ">what is possible<" in svg and len(_xs(svg, "it-1-ideal")) == 2
    assert svg.count("<path") > _svg(replace(plain, ideal=ideal)).count("<path")


@pytest.mark.slow
def test_bars_with_short_names_stand_and_others_lie() -> None:
    """Long names are beside the bars, in lines of a few words."""
    short = Bars(title="t", note="", x="", groups=["a", "b"], values={"one": [1.0, 2.0]})
    long = replace(short, groups=[sample.LONG, "a name that needs more than one line"])
    assert _boxes(_svg(short), "one")[1][1] > _boxes(_svg(short), "one")[0][1] * 1.9
    assert _boxes(_svg(long), "one")[1][0] > _boxes(_svg(long), "one")[0][0] * 1.9
    assert "&lt;b&gt;a name &amp;" in _svg(long)


def _boxes(svg: str, name: str) -> list[tuple[float, float]]:
    """Width and height of each bar of a series."""
    found = re.findall(rf'<g id="it-1-bar-{name}-\d+">\s*<path d="([^"]*)"', svg)
    corners = [[tuple(map(float, p)) for p in re.findall(r"([-\d.]+) ([-\d.]+)", d)] for d in found]
    return [(_extent([x for x, _ in each]), _extent([y for _, y in each])) for each in corners]


def _extent(values: Sequence[float]) -> float:
    return max(values) - min(values)


@pytest.mark.slow
def test_a_map_tells_winner_and_factor() -> None:
    """Each cell has its factor; one that is won a colour and a marker, a draw neither."""
    chart = Map(
        title="t",
        note="",
        x="x",
        y="y",
        columns=["short", "long"],
        rows=["none"],
        kinds=["inline", "pool"],
        cells=[[("pool", 2.5), (None, 1.01)]],
    )
    svg = _svg(chart)
    assert ">2.50<" in svg and ">1.01<" in svg and ">a draw<" in svg
    assert "var(--s2)" in re.findall(r'id="it-1-cell-0-0">(.*?)</g>', svg, re.DOTALL)[0]
    assert "var(--band)" in re.findall(r'id="it-1-cell-0-1">(.*?)</g>', svg, re.DOTALL)[0]
    assert ">a draw<" not in _svg(replace(chart, cells=[[("pool", 2.5), ("inline", 3.0)]]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "chart",
    [
        _lines(series=[]),
        _lines(series=[Series(name="gone", points=[])], log_x=True, log_y=True),
        _lines(series=[Series(name="nought", points=[(0, 0.0)])], log_x=True, log_y=True),
        Bars(title="t", note="", x="", groups=[], values={}),
        Bars(title="t", note="", x="", groups=["a"], values={"b": [math.nan]}, log=True),
        Map(title="t", note="", x="", y="", columns=[], rows=[], kinds=[], cells=[]),
    ],
)
def test_a_chart_of_nothing_is_no_chart(chart: Chart) -> None:
    """Where every arm failed a sentence stands in its place; drawing it is no error either."""
    assert not drawable(chart)
    assert _svg(chart).startswith("<svg")


@pytest.mark.slow
def test_without_a_ratio_a_sentence_stands() -> None:
    """Three rounds leave no ratio: the page says why, and has no empty plot of them."""
    part = _part()
    few = [
        replace(each, ratio=None, judged=None, word="inconclusive", more=2, why="")
        for each in part.comparisons
    ]
    assert ratios(structs.replace(part, comparisons=few), "it") is None
    told = comparison_report._drawings(structs.replace(part, comparisons=few), [], {}, "it")[0]
    assert told.plot is None
    assert told.title == "How many times better"
    assert told.why == "inconclusive: too few rounds; it takes at least 2 more"


@pytest.mark.slow
def test_a_series_looks_the_same_in_all_charts() -> None:
    """Its colour follows its name, wherever it stands among others."""
    first = _lines(series=[Series(name=n, points=[(1, 1.0), (2, 1.0)]) for n in ("a", "b")])
    second = replace(first, series=first.series[1:])
    found = [
        re.search(r'line-b">\s*<path[^>]*var\(--(s\d)\)', p.svg)
        for p in charts([first, second], "it")
    ]
    assert [match and match[1] for match in found] == ["s2", "s2"]


@pytest.mark.slow
def test_a_series_looks_the_same_with_every_interpreter() -> None:
    """Also where another has series before it, that this one does not have."""
    first = _lines(series=[Series(name=n, points=[(1, 1.0), (2, 1.0)]) for n in ("a", "b")])
    second = replace(first, series=first.series[1:])
    (plot,) = charts([second], "it", places_of([first, second]))
    found = re.search(r'line-b">\s*<path[^>]*var\(--(s\d)\)', plot.svg)
    assert found and found[1] == "s2"


def test_twelve_series_differ_by_more_than_colour() -> None:
    """No two of the most that are drawn one by one have the same colour and marker."""
    looks = {(drawing.colour(n), drawing.marker(n)) for n in range(drawing.MOST_SERIES)}
    assert len(looks) == drawing.MOST_SERIES
    assert len({drawing.marker(n) for n in range(drawing.MOST_SERIES)}) == drawing.MOST_SERIES


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0.97, 1.03, [0.98, 1.0, 1.02]),
        (0.7, 1.9, [1.0]),
        (0.5, 40.0, [0.5, 1.0, 2.0, 5.0, 10.0, 20.0]),
        (0.01, 1e9, 4),
    ],
)
def test_an_axis_of_ratios_has_a_few_round_marks(
    low: float, high: float, marks: list[float] | int
) -> None:
    """However wide it is there are two marks or more, and no more than fit beside each other."""
    found = drawing.ratio_marks(low, high)
    assert 2 <= len(found) <= 8 and all(low <= mark <= high for mark in found)
    assert len(found) >= marks if isinstance(marks, int) else set(marks) <= set(found)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.00123, "s", "1.23 ms"),
        (31e6, "B", "31.0 MB"),
        (512, "B", "512 B"),
        (1_250.4, "pages/s", "1,250"),
        (3, "", "3"),
        (math.nan, "s", "-"),
        (math.inf, "", "-"),
    ],
)
def test_figures_are_said_with_their_unit(value: float, unit: str, text: str) -> None:
    """Three digits, the unit that suits, and a dash for what is no number."""
    assert quantity(value, unit) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.25, "0.25"), (64, "64"), (2_000, "2k"), (1_234, "1234"), (2e7, "20M"), (7.589, "7.59")],
)
def test_marks_of_an_axis_are_brief(value: float, text: str) -> None:
    """Large round numbers have a letter for their noughts."""
    assert drawing.brief(value) == text


def test_arms_are_grouped_by_what_their_names_begin_with() -> None:
    """As few words are cut off as will do, and no comma is left at an end."""
    names = [f"{kind}, {n} threads" for kind in ("one long call", "loop") for n in range(9)]
    assert set(drawing.grouped(names).values()) == {"one long call", "loop"}
    assert drawing.grouped(names[:12]) == {name: name for name in names[:12]}
    assert set(drawing.grouped([f"arm-{n}" for n in range(13)]).values()) == {"all"}
