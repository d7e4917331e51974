"""Drawings as SVG that stands inside an HTML page.

matplotlib draws them; it comes with the extra `report`. The SVG has text as text, and variables of
CSS in the place of colours (a palette names them), so that the page decides on light and dark. The
ids are the drawing's own, no address is in it, and equal figures give equal text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from crawler.report.html_page import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing with its id, its title and a sentence on how to read it."""

    name: str
    title: str
    note: str
    svg: str


_SERIES = tuple(f"s{number}" for number in range(1, 9))
_OF_A_LOAD = ("response", "service", "lag", "error", "p50", "p90", "max")
_NAMES = ("text", "grid", "page", "dim", "band", *_SERIES, *_OF_A_LOAD)
COLOURS = {name: f"#0101{number:02x}" for number, name in enumerate(_NAMES, 1)}
"""CSS variable -> the colour that matplotlib is given in its place, one that nobody draws with."""


@contextmanager
def style() -> Iterator[None]:
    """Set matplotlib's defaults, whatever the user's settings, with the changes made here.

    Raises `EnvironmentFailure` without matplotlib.
    """
    require()
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_settings())
        yield


_INK = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")


def _settings() -> Mapping[Any, Any]:
    return {
        **dict.fromkeys(_INK, COLOURS["text"]),
        "axes.facecolor": "none",
        "axes.axisbelow": True,
        "axes.grid": True,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "figure.facecolor": "none",
        "font.size": 11,
        "grid.color": COLOURS["grid"],
        "grid.linewidth": 0.6,
        "legend.frameon": False,
        "lines.linewidth": 1.5,
        "svg.fonttype": "none",
        "svg.hashsalt": "crawler",
    }


def drawn(figure: Figure, name: str, title: str) -> str:
    """Return the figure's SVG element: ids after its name, colours and font left to the page."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' font-family: [^;"]*;?', "", svg)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    head = f'<svg id="plot-{name}" role="img" aria-label="{escape(title)}" {_XLINK}'
    svg = re.sub(r"<svg[^>]*( viewBox=\"[^\"]*\")[^>]*", lambda m: head + m[1], svg, count=1)
    for variable, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{variable})")
    return svg.strip()
