"""The report: what it says, and how headless Chromium shows it on a desktop and on a phone."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pytest
from msgspec import structs
from PIL import Image

from crawler.compare import advice
from crawler.compare.advice import Decision
from crawler.compare.compare_config import CompareConfig
from crawler.compare.comparison_report import report
from crawler.compare.comparison_result import ComparisonResult
from crawler.model.errors import EnvironmentFailure
from crawler.report import svg
from crawler.report.svg import COLOURS
from tests.browser import Browser, needs_chromium
from tests.compare import sample

PLOTS = [
    *("plot-noise-0-ratios", "plot-noise-0-turns"),
    *(
        f"plot-made-up-{part}-{name}"
        for part in (0, 1)
        for name in ("ratios", "chart-1", "chart-2", "chart-3", "chart-4", "turns")
    ),
]


@cache
def _page() -> str:
    """The page of everything, made once."""
    return report(sample.whole())


def _text(page: str) -> str:
    """What a reader reads: no tags, no drawings."""
    bare = re.sub(r"<style>.*?</style>|<svg.*?</svg>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", bare))


def _top(page: str) -> str:
    return page.partition("What came out")[0]


@pytest.mark.slow
def test_each_experiment_has_its_claim_outcome_and_limits() -> None:
    """Question, claim, predictions, what was found, conditions and what is not shown are told."""
    text = _text(_page())
    for told in (
        "What is the smallest difference that this machine can show?",
        "Threads do not compute in parallel &amp; processes do.",
        "two processes are at least 1.7 times as fast as one as predicted faster: 1.90",
        "it is not told invalid invalid: threads 4: 1 of 8 turns failed",
        "4 LOAD_FAST &lt;counter&gt;",
        "told by the way",
        "Pure Python, &lt;no&gt; waiting.",
        "That other work behaves alike.",
        "8 rounds of 6 arms with each of 2 interpreters in",
    ):
        assert told in text, told


def test_the_overview_links_each_experiment_to_its_section() -> None:
    """Every link leads to an element of the page, and both experiments have one."""
    page = _page()
    links = set(re.findall(r'href="#([^"]*)"', page))
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert {"experiment-noise", "experiment-made-up"} <= links <= set(ids)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)", page)) <= set(ids)


@pytest.mark.slow
def test_the_advice_and_the_decisions_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence for this machine, then a model for each work with a link to what tells so."""
    chosen = Decision(work="a <work>", model="processes", why="1.9 & more", experiment="noise")
    monkeypatch.setattr(advice, "advice", lambda _: "Use <two> processes.")
    monkeypatch.setattr(advice, "decisions", lambda _: [chosen])
    top = _top(report(sample.result()))
    assert "<strong>Use &lt;two&gt; processes.</strong>" in top
    assert "Which model for your work" in top
    assert "a &lt;work&gt;" in top and "1.9 &amp; more" in top
    assert 'href="#experiment-noise"' in top


def test_without_advice_the_outcomes_are_counted() -> None:
    """Where nothing is to be advised there is no empty table, but how predictions fared."""
    top = _top(_page())
    assert "Of 2 experiments: 1 as predicted, 1 invalid." in top
    assert "Which model for your work" not in top


@pytest.mark.slow
@pytest.mark.parametrize(
    ("result", "words"),
    [
        (partial(sample.result, partial=True), "It was stopped before its end"),
        (lambda: sample.result(machine=sample.machine(busy=0.7)), "something else used 0.70 of 2"),
        (partial(sample.result, jitter=0.2), "The machine was noisy: computing"),
        (None, "slowed down by 5% on purpose"),
        (None, "made-up: not all of it can be believed"),
    ],
    ids=["partial", "busy", "noisy", "sabotaged", "invalid"],
)
def test_what_makes_it_doubtful_is_said_at_the_top(
    result: Callable[[], ComparisonResult] | None, words: str
) -> None:
    """Each doubt stands before any figure."""
    assert words in _top(report(result()) if result else _page())


@pytest.mark.slow
def test_a_good_result_has_no_doubts() -> None:
    """On a quiet machine, with nothing invalid, nothing is marked."""
    top = _top(report(sample.result(config=CompareConfig(quick=True))))
    assert 'class="verdict "' in top
    assert "<li" not in top


@pytest.mark.slow
def test_the_noise_is_told_with_its_kinds() -> None:
    """The bound of each kind of work, or that it was not measured, stands in the overview."""
    bands = sample.whole().bands
    for kind, band in (("computing", bands["compute"]), ("waiting", bands["wait"])):
        assert f"<dt>{kind}</dt><dd>± {band:.1%}</dd>" in _page()
    result = sample.result(jitter=1e-5)
    assert "<dt>waiting</dt><dd>&lt; 0.1%</dd>" in report(result)
    assert "The noise of the machine was not measured." in report(replace(result, examined=[]))


def test_interpreters_stand_side_by_side() -> None:
    """Each has its own findings, and the medians of the arms are compared in one table."""
    page = _page()
    assert page.count("<h3>Python 3.14t, lock off</h3>") == 1
    table = page.partition("Interpreters side by side")[2].partition("</table>")[0]
    assert re.search(r"<td>processes 2</td><td>210 ms</td><td>16\d ms</td>", table)
    assert "PYTHON_GIL=0 /opt/python3.14t/bin/python" in page


def test_every_arm_has_its_figures() -> None:
    """The table counts turns and failures, and has medians with their units."""
    table = _page().rpartition('id="experiment-made-up"')[2].partition("<details>")[2]
    row = re.search(r"<tr><td>threads 4</td>(.*?)</tr>", table)
    assert row
    cells = re.findall(r"<td>(.*?)</td>", row[1])
    assert cells[:3] == ["8", "1", "0"]  # turns, failed, errors
    assert cells[3].endswith(" ms") and cells[7:11] == ["31.0 MB", "22.0 MB", "12", "3"]


def test_the_page_is_one_file_without_script() -> None:
    """Nothing is loaded from anywhere, and what others wrote is escaped."""
    page = _page()
    assert "<script" not in page and "default-src 'none'" in page
    assert not re.findall(r'\bsrc=|@import|<link|url\((?!#)|href="(?!#)', page)
    assert "<b>" not in page and "<no>" not in page and "<of>" not in page


def test_the_plots_leave_colours_to_the_page() -> None:
    """No colour that stands for a variable is left over, and every one has two values."""
    page = _page()
    assert not [colour for colour in COLOURS.values() if colour in page]
    used = set(re.findall(r"var\(--(\w+)\)", page))
    assert used >= {"text", "grid", "band", "dim", "s1", "s2", "s3"}
    defined = re.findall(r"--(\w+): #", page)
    assert [name for name in used if defined.count(name) != 2] == []


def test_the_colours_stand_out_from_the_page() -> None:
    """Each series has a contrast of 3 to 1 or more on paper and screen (WCAG 2.2, 1.4.11)."""
    sheet = Path(svg.__file__).with_name("page.css").read_text()
    light, dark = sheet.partition("prefers-color-scheme")[::2]
    for half, paper in ((light, "#ffffff"), (dark, "#14171b")):
        found = re.findall(r"--(s\d): (#\w{6})", half)
        assert len(found) == 8
        assert [name for name, colour in found if _contrast(colour, paper) < 3] == []


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return math.fsum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.slow
def test_equal_results_have_equal_pages() -> None:
    """The page follows from the result alone: no clock, no chance."""
    assert report(sample.result()) == report(sample.result())


@pytest.mark.slow
def test_a_comparison_that_was_stopped_at_once_has_a_page() -> None:
    """Without a turn there is no plot of turns, no nan, and the page is marked."""
    experiment, done = sample.noise()
    part = structs.replace(done.parts[0], runs=[])
    stopped = structs.replace(done, parts=(part,), rounds=0, partial=True)
    result = sample.result((experiment, stopped), partial=True)
    page = report(replace(result, examined=result.examined[1:]))
    assert "plot-noise-0-ratios" not in page and "plot-noise-0-turns" not in page
    assert "How many times better: inconclusive: too few rounds" in page
    assert not re.search(r"\b(nan|inf)\b", page)
    assert "It was stopped before its end" in page


def test_without_matplotlib_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is optional, and its absence an error that names it."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(EnvironmentFailure, match=r"pip install 'crawler-cli\[report\]'"):
        report(sample.result())


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    """A Chromium of the test's own."""
    return Browser(tmp_path)


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("width", [1280, 390])
def test_every_plot_is_there_and_nothing_overflows(browser: Browser, width: int) -> None:
    """On desktop and phone each plot has its texts inside, and the page no more than its width.

    Tables and listings may scroll in their own place; all details are opened for this.
    """
    facts = browser.facts(_page(), width)
    assert facts["width"] == width
    assert facts["scroll"] <= width
    assert facts["beyond"] == []
    assert [plot["id"] for plot in facts["plots"]] == PLOTS
    for plot in facts["plots"]:
        assert plot["left"] >= 0 and plot["left"] + plot["width"] <= width
        assert plot["width"] > 350 and plot["height"] > 100
        assert plot["texts"] >= 4 and plot["outside"] == []


@pytest.mark.slow
@needs_chromium
def test_a_dark_screen_gets_a_dark_page(browser: Browser) -> None:
    """The plots' texts are light where the reader prefers dark, and dark otherwise."""
    page = _page()
    dark, light = browser.facts(page, 1280, "--force-dark-mode"), browser.facts(page, 1280)
    assert {plot["shade"] for plot in dark["plots"]} == {"rgb(230, 233, 237)"}
    assert {plot["shade"] for plot in light["plots"]} == {"rgb(28, 33, 40)"}


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("flags", [[], ["--force-dark-mode"]], ids=["light", "dark"])
def test_a_screenshot_shows_the_plots_colours(browser: Browser, flags: list[str]) -> None:
    """The page as it is delivered, its policy in force, paints each series in its colour."""
    shot = browser.screenshot(_page(), 1280, *flags, height=6_000)
    with Image.open(shot) as image:
        counts = {colour: number for number, colour in image.convert("RGB").getcolors(1 << 24)}
    css = Path(svg.__file__).with_name("page.css").read_text()
    half = css.partition("prefers-color-scheme")[2 if flags else 0]
    for name, colour in re.findall(r"--(s[1-6]): #(\w{6})", half):
        red, green, blue = bytes.fromhex(colour)
        assert counts.get((red, green, blue), 0) > 50, name
