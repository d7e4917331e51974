"""The shape of the package in figures: `python -m tests.house`."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import quantiles

import crawler

PACKAGE = Path(crawler.__file__).parent
SHARED_NAMES = {"__init__", "__main__"}
"""File names that Python gives, which may occur in every folder."""

_CLAUSE = re.compile(r"(?:What|Whether|How|Where|Who|Why|When)\b")
_IS_NO = re.compile(r"\bis no\b(?! longer)")

Names = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Module:
    """One source file by its dotted name."""

    name: str
    text: str

    @property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return _tree(self.text)

    def imports(self) -> Iterator[str]:
        """Yield the dotted names of all imports, in functions, too; `from a import b` is `a.b`."""
        package = self.name.split(".")[:-1]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) - node.level + 1] if node.level else []
                base = [*above, *([node.module] if node.module else [])]
                yield from (".".join([*base, alias.name]) for alias in node.names)


@cache
def _tree(text: str) -> ast.Module:
    return ast.parse(text)


def modules(package: Path = PACKAGE) -> list[Module]:
    """Read every source file of a package, sorted by path."""
    return [
        Module(
            name=".".join((package.name, *path.relative_to(package).with_suffix("").parts)),
            text=path.read_text(encoding="utf-8"),
        )
        for path in sorted(package.rglob("*.py"))
    ]


def graph(files: Iterable[Module]) -> dict[str, set[str]]:
    """Return which files of a package each of its files imports."""
    files = list(files)
    known = {file.name for file in files}
    return {
        file.name: set(filter(None, (_file_of(name, known) for name in file.imports())))
        - {file.name}
        for file in files
    }


def _file_of(name: str, known: set[str]) -> str | None:
    """Return the file that an imported name stands for or is defined in."""
    for dotted in (name, name.rpartition(".")[0]):
        for file in (dotted, f"{dotted}.__init__"):
            if file in known:
                return file
    return None


def circles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the sets of files that import each other, each sorted."""
    reached = {name: _reached(name, edges) for name in edges}
    found = {
        tuple(sorted({name} | {other for other in reached[name] if name in reached[other]}))
        for name in edges
        if name in reached[name]
    }
    return [list(each) for each in sorted(found)]


def _reached(name: str, edges: Mapping[str, set[str]]) -> set[str]:
    """Return all files that `name` imports, directly or not."""
    found: set[str] = set()
    waiting = list(edges[name])
    while waiting:
        if (other := waiting.pop()) not in found:
            found.add(other)
            waiting += edges[other]
    return found


def chain(edges: Mapping[str, set[str]], room: str = "") -> list[str]:
    """Return the longest chain of imports between the files whose names begin with `room`.

    There must be no circles.
    """

    @cache
    def below(name: str) -> tuple[str, ...]:
        others = (below(other) for other in sorted(edges[name]) if other.startswith(room))
        return (name, *max(others, key=len, default=()))

    return list(max((below(name) for name in edges if name.startswith(room)), key=len, default=()))


def shared_file_names(files: Iterable[Module]) -> Names:
    """Return the file names that occur twice, and where."""
    pairs = ((file.name.rpartition(".")[2], file.name) for file in files)
    return _shared((name, place) for name, place in pairs if name not in SHARED_NAMES)


def shared_class_names(files: Iterable[Module]) -> Names:
    """Return the names of classes that occur twice, and where."""
    return _shared(
        (node.name, file.name)
        for file in files
        for node in ast.walk(file.tree)
        if isinstance(node, ast.ClassDef)
    )


def _shared(pairs: Iterable[tuple[str, str]]) -> Names:
    places = defaultdict[str, list[str]](list)
    for name, place in pairs:
        places[name].append(place)
    return {name: found for name, found in sorted(places.items()) if len(found) > 1}


def function_lengths(files: Iterable[Module]) -> list[int]:
    """Return the lines of every function, decorators and docstrings left out."""
    return [
        (node.end_lineno or 0) - _first_line(node) + 1
        for file in files
        for node in ast.walk(file.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    documented = ast.get_docstring(node, clean=False) is not None
    return node.body[1 if documented and len(node.body) > 1 else 0].lineno


def comments(file: Module) -> int:
    """Count the lines that have a comment."""
    tokens = tokenize.generate_tokens(io.StringIO(file.text).readline)
    return sum(token.type == tokenize.COMMENT for token in tokens)


def docstrings(files: Iterable[Module]) -> list[str]:
    """Return the docstrings of all modules, classes and functions."""
    documented = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef
    nodes = (node for file in files for node in ast.walk(file.tree) if isinstance(node, documented))
    return [text for node in nodes if (text := ast.get_docstring(node))]


def figures() -> Iterator[tuple[str, object]]:
    """Yield what `python -m tests.house` prints: names and values."""
    files = modules()
    edges = graph(files)
    lines = sum(len(file.text.splitlines()) for file in files)
    rings = circles(edges)
    deciles = quantiles(function_lengths(files), n=10)
    yield "files", len(files)
    yield "lines", lines
    yield "circles", rings or 0
    yield "floors", len(chain(edges)) if not rings else "circles"
    for room in sorted({name.split(".")[1] for name in edges if name.count(".") > 1}):
        inside = {name for name in edges if name.startswith(f"crawler.{room}.")}
        floors = len(chain(edges, f"crawler.{room}.")) if not rings else "?"
        yield f"  {room}", f"{len(inside)} files, {floors} floors"
    yield "file names twice", " ".join(shared_file_names(files)) or 0
    yield "class names twice", " ".join(shared_class_names(files)) or 0
    yield "function, median", f"{deciles[4]:g} lines"
    yield "function, 90th percentile", f"{deciles[8]:g} lines"
    yield "comments in 100 lines", f"{100 * sum(map(comments, files)) / lines:.1f}"
    documented = docstrings(files)
    clauses = sum(_CLAUSE.match(text) is not None for text in documented)
    yield "docstrings what/how/where", f"{100 * clauses / len(documented):.1f} %"
    yield '"is no"', sum(len(_IS_NO.findall(file.text)) for file in files)


if __name__ == "__main__":
    for name, value in figures():
        print(f"{name:26} {value}")
