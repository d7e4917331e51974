"""The report: what it says, and how headless Chromium shows it on a desktop and on a phone."""

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace
from PIL import Image

from crawler.load.load_report import report
from crawler.load.measured import Measured
from crawler.load.plots import plots
from crawler.load.validity import Verdict
from crawler.measure.quantity import latency
from crawler.model.errors import EnvironmentFailure
from crawler.report.svg import COLOURS
from tests.browser import Browser, needs_chromium
from tests.load.sample import measured, quiet, result

pytestmark = pytest.mark.slow

NAMES = ["percentiles", "latency", "throughput", "lag"]
LONG = f"http://127.0.0.1:8080/<page>?{'x' * 200}"


def _line(svg: str, name: str) -> list[tuple[float, float]]:
    """The points of the line with this id, in the drawing's own units."""
    found = re.search(rf'<g id="{name}">\s*<path d="([^"]*)"', svg)
    assert found, name
    return [(float(x), float(y)) for x, y in re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", found[1])]


def _by_name(run: Measured) -> dict[str, str]:
    return {plot.name: plot.svg for plot in plots(run)}


@functools.cache
def _drawn() -> dict[str, str]:
    """Plots of the sample, drawn once."""
    return _by_name(measured())


@functools.cache
def _page(target: str = "http://127.0.0.1:8080/") -> str:
    """A page of the sample, made once."""
    return report(result(target=target))


def test_the_plots_show_the_stall() -> None:
    """Response rises far above service at its end, and the gap in the throughput is drawn."""
    drawn = _drawn()
    response = _line(drawn["percentiles"], "percentiles-response")
    service = _line(drawn["percentiles"], "percentiles-service")
    # y grows downwards: higher latencies have smaller ones.
    assert response[-1][1] < service[-1][1] - 50
    assert response[0] == pytest.approx(service[0], abs=3)
    heights = {y for _, y in _line(drawn["throughput"], "throughput-rate-count")}
    assert len(heights) >= 3  # nothing, the usual rate, and what was held back


def test_a_stretch_of_a_moment_is_not_drawn() -> None:
    """A last row of some milliseconds has hardly a hit, and would bend every line at its end."""
    run = measured()
    longer = replace(run, elapsed=12.004, rows=(*run.rows[:12], replace(run.rows[0], at=12)))
    assert len(_line(_by_name(longer)["latency"], "latency-response-0.5")) == 12
    edges = {x for x, _ in _line(_by_name(longer)["throughput"], "throughput-rate-count")}
    assert len(edges) == 13


def test_the_percentiles_end_with_the_greatest_value() -> None:
    """No point lies beyond the last of the values, to the right of the frame."""
    for name in ("response", "service"):
        points = _line(_drawn()["percentiles"], f"percentiles-{name}")
        assert points == sorted(points, key=lambda point: point[0])


def test_a_wide_scale_has_several_marks() -> None:
    """A logarithmic axis over less than three decades has more than one figure beside it."""
    drawn = _drawn()["percentiles"]
    assert len(re.findall(r">\d+ [µm]?s<", drawn.replace("\N{MINUS SIGN}", "-"))) >= 4


def test_equal_runs_have_equal_plots() -> None:
    """The SVG follows from the figures alone: no clock, no chance."""
    assert _drawn() == _by_name(measured())


def test_the_plots_leave_colours_to_the_page() -> None:
    """No colour that stands for a variable is left over, and every one in use is defined."""
    page = _page()
    assert not [colour for colour in COLOURS.values() if colour in page]
    used = set(re.findall(r"var\(--(\w+)\)", page))
    assert used >= {"text", "grid", "response", "service", "error", "lag"}
    assert used <= set(re.findall(r"--(\w+): #", page))


def test_ids_are_unique() -> None:
    """The plots share a page, and no two elements an id, nor does one refer to a stranger."""
    page = _page()
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', page)) <= set(ids)


@pytest.mark.parametrize("seconds", [1, 3_000])
def test_runs_of_any_length_are_drawn(seconds: int) -> None:
    """A second has a plot, and 3,000 have one that is no larger than a few hundred kilobytes."""
    drawn = _by_name(measured(seconds) if seconds < 60 else _stretched(seconds))
    assert list(drawn) == NAMES
    assert all(len(svg) < 400_000 for svg in drawn.values())


def _stretched(seconds: int) -> Measured:
    """A run whose rows repeat, as a long one's would."""
    run = measured()
    rows = tuple(replace(run.rows[n % 12], at=n) for n in range(seconds))
    return replace(run, elapsed=float(seconds), rows=rows)


def test_a_run_in_which_nothing_happened_has_a_report() -> None:
    """No answer, no row, no time: the page says so without failing."""
    page = report(result(Measured(elapsed=0.0)))
    assert page.count("<figure>") == 3  # no lag, as none was measured
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)


def test_the_verdict_is_at_the_top() -> None:
    """Whether to believe the run, why not, and each threshold come before any figure."""
    top = report(replace(result(), partial=True)).partition("<dl>")[0]
    assert "This run cannot be believed." in top
    assert "96% of a core" in top
    assert "It was stopped before its end" in top
    assert re.search(r"threshold p99&lt;50ms: missed, with 1\.\d\d s", top)
    assert re.search(r"threshold errors&lt;5%: met, with \d\.\d+%", top)


def test_a_good_run_is_called_so() -> None:
    """Without a failed check or threshold there is nothing bad at the top, and no empty plot."""
    good = replace(result(quiet()), verdict=Verdict(valid=True, checks=()), thresholds=())
    page = report(good)
    top = page.partition("<dl>")[0]
    assert 'id="plot-latency"' in page and 'id="plot-lag"' not in page
    assert "This run can be believed." in top
    assert 'class="verdict "' in top


def test_the_page_is_one_file_without_script_or_secret() -> None:
    """Nothing is loaded from anywhere, what others wrote is escaped, and log-ins are hidden."""
    page = report(result(target="http://ann:hidden@127.0.0.1/<script>alert(1)</script>"))
    assert "<script" not in page and "hidden" not in page and "Bearer secret" not in page
    assert "default-src 'none'" in page
    assert not re.findall(r'\bsrc=|@import|<link|url\((?!#)|href="(?!#)', page)


def test_the_page_has_a_row_for_each_target() -> None:
    """With its name escaped, and the first of each kind of error with an example."""
    page = _page()
    assert "<h2>Targets</h2>" in page and "&lt;b&gt;put&lt;/b&gt;" in page and "302: 1" in page
    assert "first status 503" in page and "Busy: GET http://127.0.0.1:8080/xxx" in page


def test_without_matplotlib_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is optional, and its absence an error that names it."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(EnvironmentFailure, match=r"pip install 'crawler-cli\[report\]'"):
        report(result())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0"),
        (1e-6, "1.00 µs"),
        (0.00123, "1.23 ms"),
        (0.0999996, "100 ms"),
        (0.9999, "1.00 s"),
        (12_345, "12,345 s"),
    ],
)
def test_latencies_have_three_digits_and_a_fitting_unit(seconds: float, text: str) -> None:
    """A latency is printed as a person would say it."""
    assert latency(seconds) == text


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    """A Chromium of the test's own."""
    return Browser(tmp_path)


@needs_chromium
@pytest.mark.parametrize("width", [1280, 400])
def test_every_plot_is_there_and_nothing_overflows(browser: Browser, width: int) -> None:
    """On desktop and phone four plots have lines and texts, inside the page's width."""
    facts = browser.facts(_page(LONG), width)
    assert facts["width"] == width
    assert facts["scroll"] <= width
    assert facts["tables"] == []
    assert [plot["id"] for plot in facts["plots"]] == [f"plot-{name}" for name in NAMES]
    for plot in facts["plots"]:
        assert plot["left"] >= 0 and plot["left"] + plot["width"] <= width
        assert plot["width"] > 350 and plot["height"] > 200
        assert plot["lines"] >= 5 and plot["texts"] >= 8
        assert plot["outside"] == []


@needs_chromium
@pytest.mark.parametrize("width", [1280, 400])
def test_a_screenshot_shows_the_plots_colours(browser: Browser, width: int) -> None:
    """The page as it is delivered, its policy in force, paints each series in its colour."""
    with Image.open(browser.screenshot(_page(), width)) as image:
        assert image.width == width
        counts = {colour: number for number, colour in image.convert("RGB").getcolors(1 << 24)}
    colours = {"response": (0xC2, 0x41, 0x0C), "service": (0x1D, 0x4E, 0xD8)}
    colours |= {"lag": (0x7C, 0x3A, 0xED), "p50": (0x0F, 0x76, 0x6E)}
    assert {name: counts.get(colour, 0) > 50 for name, colour in colours.items()} == dict.fromkeys(
        colours, True
    )


@needs_chromium
def test_a_dark_screen_gets_a_dark_page(browser: Browser) -> None:
    """The plots' texts are light where the reader prefers dark, and dark otherwise."""
    dark = browser.facts(_page(), 1280, "--force-dark-mode")
    light = browser.facts(_page(), 1280)
    assert {plot["shade"] for plot in dark["plots"]} == {"rgb(230, 233, 237)"}
    assert {plot["shade"] for plot in light["plots"]} == {"rgb(28, 33, 40)"}
