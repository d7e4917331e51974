"""Sphinx configuration. The reference of options, records and exit codes is generated here."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import crawler
from crawler.cli.compare.compare_spelling import COMPARE
from crawler.cli.crawl_flags import table
from crawler.cli.crawl_spelling import CRAWL
from crawler.cli.load.load_session import LOAD
from crawler.cli.mock.mock_web import MOCK
from crawler.store.record import schema

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "crawler"
author = "The crawler authors"
copyright = author
release = version = crawler.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build", "examples", "generated"]
html_theme = "furo"
html_title = f"crawler {release}"
html_show_copyright = False
myst_heading_anchors = 3
nitpicky = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"

GENERATED = HERE / "generated"


def rows(of: dict[str, Any], name: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the path, type and description of every field that a JSON Schema describes."""
    for key, field in of.get("properties", {}).items():
        path = f"{name}.{key}" if name else key
        kinds = field.get("type", "string" if "enum" in field else "any")
        kinds = [kinds] if isinstance(kinds, str) else kinds
        yield path, " or ".join(kinds), field.get("description", "")
        yield from rows(field, path)
        yield from rows(field.get("items", {}), f"{path}[]")


def directives() -> Iterator[str]:
    """Yield what makes autodoc describe every public name; they are loaded on demand."""
    for name in sorted(set(crawler.__all__) - {"__version__"}, key=str.lower):
        found = getattr(crawler, name)
        kind = "class" if isinstance(found, type) else "function"
        yield f".. auto{kind}:: crawler.{name}"
        yield "   :members:\n" if kind == "class" else ""


def generate(_app: Sphinx) -> None:
    """Write the generated parts of the reference."""
    GENERATED.mkdir(exist_ok=True)
    for spelling in (CRAWL, MOCK, LOAD, COMPARE):
        (GENERATED / f"{spelling.table}.md").write_text(table(spelling), encoding="utf-8")
    (GENERATED / "api.rst").write_text("\n".join(directives()), encoding="utf-8")
    lines = ["| field | type | |", "|---|---|---|"]
    lines += [f"| `{path}` | {kind} | {text} |" for path, kind, text in rows(schema())]
    (GENERATED / "record.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (GENERATED / "record.schema.json").write_text(json.dumps(schema(), indent=2), encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Generate before Sphinx looks for sources."""
    app.connect("builder-inited", generate)
