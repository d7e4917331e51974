"""Pages of measurements, made from the templates next to this file.

A page is a single file that asks the network for nothing and runs no script: its policy forbids
both. It follows the reader's choice of light or dark. Templates escape all text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from importlib.resources import files
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from crawler.model.errors import EnvironmentFailure
from crawler.model.extras import install

if TYPE_CHECKING:
    from markupsafe import Markup


_LIBRARIES = ("jinja2", "matplotlib")


def require() -> None:
    """Raise `EnvironmentFailure` where a library of the extra `report` is missing."""
    for name in _LIBRARIES:
        if find_spec(name) is None:
            raise EnvironmentFailure(f"--report needs {name}: {install('report')}")


class PageTable(NamedTuple):
    """A table in its own section; `kind` is its class: `words`, `wide`, `targets`, or none."""

    title: str
    columns: Iterable[str]
    rows: Iterable[Iterable[str]]
    kind: str = ""
    note: str = ""
    level: int = 2


def render(template: str, **values: Any) -> str:
    """Return the page that a template makes; raises `EnvironmentFailure` as `require` does."""
    require()
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("crawler.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["prose"] = _prose
    style = files("crawler.report").joinpath("page.css").read_text(encoding="utf-8")
    return environment.get_template(template).render(style=_safe(style), **values)


def _prose(text: str) -> Markup:
    """Return a text as HTML; what stands between backticks is code."""
    return _safe(re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text)))


def _safe(html: str) -> Markup:
    from markupsafe import Markup

    return Markup(html)  # noqa: S704  escaped before, or the package's own
