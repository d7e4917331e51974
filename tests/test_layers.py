"""Imports point one way, and each foreign library has one home.

The rules are those of the design: model <- formats <- core <- fetch, workers, store <- engine <-
compare <- cli; mock and load need model, runtime, measure and report alone. They hold for every
import statement, in functions, too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

import crawler

PACKAGE = Path(crawler.__file__).parent
ROOT = PACKAGE.parent

_PURE = {"model", "formats", "core"}
_SHARED = {"runtime", "measure", "report"}
_ENGINES = {*_PURE, "fetch", "workers", "store"}
MAY_IMPORT: dict[str, set[str]] = {
    "model": set(),
    "formats": {"model"},
    "core": {"model", "formats"},
    "runtime": {"model"},
    "measure": {"model"},
    "report": {"model"},
    "workers": {*_PURE, "runtime"},
    "fetch": {*_PURE, "runtime"},
    "store": _PURE,
    "engine": {*_ENGINES, "runtime"},
    "watch": {*_PURE, *_SHARED},
    "mock": {"model", *_SHARED},
    "load": {"model", *_SHARED},
    "compare": {*_ENGINES, "engine", "mock", "load", *_SHARED},
    "cli": {*_ENGINES, "engine", "api", "mock", "load", "compare", "watch", *_SHARED},
    "api": {*_ENGINES, "engine", "notebook"},
    "notebook": {"core"},
    "frames": {"model", "store"},
    "__init__": {"model", "formats", "api", "frames"},
    "__main__": {"cli", "runtime"},
}

IMPURE = ("aiohttp", "asyncio", "concurrent", "logging", "socket", "threading", "time")
"""What the pure rooms do without. The collector alone may import threading."""

HOMES = {
    "aiohttp": "fetch/aiohttp_*.py load/aio.py watch/live_server.py",
    "aiohappyeyeballs": "fetch/raw_pool.py",
    "httptools": "fetch/usual_head.py load/connection.py mock/server/*",
    "urllib3": "fetch/urllib3_client.py",
    "publicsuffixlist": "runtime/suffixes.py",
    "cyclopts": "cli/*",
    "rich": "cli/*",
    **dict.fromkeys(("pandas", "pyarrow"), "frames.py store/parquet_*.py"),
    "duckdb": "store/databases.py",
    "distributed": "engine/cluster.py",
    "opentelemetry": "engine/span_export.py engine/visit_traces.py",
    "requests": "engine/span_export.py",
    "jinja2": "report/html_page.py",
    "matplotlib": "report/* load/plots.py compare/charts.py compare/ratio_plots.py",
    "frostwork": "formats/by_frostwork.py",
    "selectolax": "formats/by_lexbor.py",
    **dict.fromkeys(("lxml", "html5lib"), "formats/libraries.py"),
    "turbohtml": "formats/by_turbohtml.py formats/metadata.py formats/libraries.py",
    "trafilatura": "formats/by_trafilatura.py",
}
"""The files that may import a foreign library; several with a space between."""

TOP_LEVEL = {
    *("crawler", "tests", "config", "docs", "pyproject.toml", "Makefile", "README.md"),
    *("LICENSE", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "SECURITY.md"),
}


def imports(path: Path, package: tuple[str, ...]) -> Iterator[str]:
    """The dotted names that a module of `package` imports; `from a import b` is `a.b`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = [*above, *([node.module] if node.module else [])]
            yield from (".".join([*base, alias.name]) for alias in node.names)


def violations(package: Path) -> list[str]:
    """Every import below `package` that breaks a rule, in words."""
    return sorted(
        f"{path.relative_to(package)}: {problem}"
        for path in package.rglob("*.py")
        for problem in _problems(path.relative_to(package), path)
    )


def _problems(place: Path, path: Path) -> Iterator[str]:
    layer = place.parts[0].removesuffix(".py")
    for name in imports(path, ("crawler", *place.parts[:-1])):
        first, *rest = name.split(".")
        if first == "crawler":
            target = rest[0] if rest and rest[0] in MAY_IMPORT else "__init__"
            if target not in {layer, *MAY_IMPORT.get(layer, set())}:
                yield f"{layer} imports {name}"
        elif layer in _PURE and first in IMPURE:
            if (place.as_posix(), first) != ("core/collector.py", "threading"):
                yield f"{layer} imports {name}"
        elif first in HOMES and not any(fnmatch(place.as_posix(), h) for h in HOMES[first].split()):
            yield f"{name} belongs to {HOMES[first]}"


def test_imports_point_one_way() -> None:
    """No module imports against the layers, and no library outside its home."""
    assert violations(PACKAGE) == []


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("model/url.py", "from crawler.core import step"),
        ("core/crawl_core.py", "import asyncio"),
        ("formats/page.py", "from time import perf_counter"),
        ("core/crawl_core.py", "from time import perf_counter"),
        ("core/crawl_core.py", "from concurrent.futures import Executor"),
        ("core/crawl_core.py", "import threading"),
        ("core/crawl_core.py", "from ..engine import aio"),
        ("core/crawl_core.py", "def late():\n    import socket"),
        ("formats/page.py", "from crawler.fetch import body"),
        ("formats/page.py", "from crawler import fetch"),
        ("formats/page.py", "import crawler.fetch.body"),
        ("store/sinks.py", "from crawler import CrawlConfig"),
        ("mock/graph/site.py", "from crawler.core import step"),
        ("engine/async_engine.py", "import aiohttp"),
        ("fetch/aiohttp_client.py", "import urllib3"),
        ("engine/async_engine.py", "from rich.console import Console"),
        ("fetch/body.py", "import selectolax.lexbor"),
        ("stray/new.py", "from crawler.model import url"),
    ],
)
def test_the_check_sees_each_kind_of_breach(tmp_path: Path, place: str, line: str) -> None:
    """A tree with one bad import has exactly one violation."""
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_text(f"import dataclasses\n{line}\n")
    assert len(violations(tmp_path)) == 1


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("core/collector.py", "import threading"),
        ("core/crawl_core.py", "from crawler.model.url import Url"),
        ("core/crawl_core.py", "from .step import Step"),
        ("fetch/aiohttp_client.py", "import aiohttp"),
        ("cli/display.py", "from rich.live import Live"),
        ("engine/async_engine.py", "import asyncio"),
    ],
)
def test_the_check_allows_what_is_allowed(tmp_path: Path, place: str, line: str) -> None:
    """A legal import is no violation."""
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_text(f"{line}\n")
    assert violations(tmp_path) == []


def strangers(root: Path) -> list[str]:
    """Names at the top level that do not belong there; what git ignores does not count."""
    ignored = [line.rstrip("/") for line in (root / ".gitignore").read_text().splitlines()]
    names = [path.name for path in root.iterdir() if not path.name.startswith(".")]
    return sorted(
        name
        for name in names
        if name not in TOP_LEVEL and not any(fnmatch(name, pattern) for pattern in ignored)
    )


def test_the_top_level_holds_what_it_should() -> None:
    """Beside package, tests and configuration there are only the files that tools look for."""
    assert strangers(ROOT) == []


def test_the_check_sees_a_stranger_at_the_top(tmp_path: Path) -> None:
    """A file that is neither known nor ignored is named."""
    (tmp_path / ".gitignore").write_text("build/\n")
    (tmp_path / "build").mkdir()
    (tmp_path / "crawler").mkdir()
    (tmp_path / "notes.txt").touch()
    assert strangers(tmp_path) == ["notes.txt"]
