"""Private names of libraries: each use is listed here, with whose it is, so that none slips in.

A private name may change in any release, so the library has an upper bound in `pyproject.toml` (the
standard library's are held by tests on every interpreter of the workflow). Before a name is added,
look for a public way.
"""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FunctionType

import pytest

import crawler

PACKAGE = Path(crawler.__file__).parent
PROJECT = PACKAGE.parent / "pyproject.toml"

KNOWN: Mapping[str, set[tuple[str, str]]] = {
    "aiohttp": {
        ("fetch/aiohttp_client.py", "_buffer"),
        ("fetch/aiohttp_connections.py", "_conns"),
        ("fetch/aiohttp_connections.py", "_create_connection"),
        ("fetch/aiohttp_connections.py", "_payload"),
        ("fetch/aiohttp_connections.py", "_resolve_host"),
        ("fetch/aiohttp_client.py", "_retry_connection"),
        ("fetch/aiohttp_connections.py", "_wrap_create_connection"),
        ("load/aio.py", "_create_connection"),
        ("load/aio.py", "_retry_connection"),
    },
    "urllib3": {
        ("fetch/urllib3_client.py", "_dns_host"),
        ("fetch/urllib3_client.py", "_new_conn"),
    },
    "python": {
        ("runtime/signals.py", "_thread"),  # a module
        ("measure/gil.py", "_is_gil_enabled"),  # documented, with its underscore
        ("fetch/wire.py", "_read_status"),  # http.client
        ("workers/hang_up.py", "_reader"),
        ("workers/hang_up.py", "_result_queue"),
        ("workers/hang_up.py", "_writer"),
        ("workers/lanes.py", "_call_queue"),
        ("workers/lanes.py", "_executor_manager_thread"),
        ("workers/lanes.py", "_reader"),
        ("workers/lanes.py", "_threads"),
        ("workers/lanes.py", "_threads_queues"),
        ("workers/parsing.py", "_ExecutorManagerThread"),
        ("workers/spawning.py", "_args_from_interpreter_flags"),
    },
}
"""By library: the file in `crawler/`, and the name."""

_PUBLIC = {"_replace", "_asdict", "_fields", "_make", "_exit"}
"""Underscored and documented: those of named tuples, and os._exit."""
_DATA = {"_ga", "_gl", "_hsenc", "_hsmi", "_kx", "_openstat", "_longest", "_p99"}
"""Texts that look so: query parameters, and ends of figures' names."""
_PRIVATE = re.compile(r"_[a-zA-Z]\w*(?<!_)")
_BY_TEXT = ("getattr", "setattr", "hasattr", "delattr")


def used(package: Path) -> set[tuple[str, str]]:
    """(file, name) of every private name in a package that is not its own."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in package.rglob("*.py")}
    made = {path: set(_made(tree)) for path, tree in trees.items()}
    inherited = set().union(*made.values())
    return {
        (path.relative_to(package).as_posix(), name)
        for path, tree in trees.items()
        for name in _used(tree, made[path], inherited)
        if _PRIVATE.fullmatch(name) and name not in _PUBLIC | _DATA
    }


def _made(tree: ast.AST) -> Iterator[str]:
    """The names that a file defines: functions, classes, variables, and attributes of `self`."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name
            case ast.Attribute(attr=name, value=ast.Name(id="self" | "cls"), ctx=ast.Store()):
                yield name
            case ast.alias(name=name, asname=asname):
                yield asname or ""


def _used(tree: ast.AST, own: set[str], inherited: set[str]) -> Iterator[str]:
    """The names that a file takes from elsewhere; what `self` has may be a base's of ours."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.Attribute(attr=name, value=ast.Name(id="self" | "cls"))
                | ast.Attribute(attr=name, value=ast.Call(func=ast.Name(id="super")))
            ):
                yield from () if name in inherited else (name,)
            case ast.Attribute(attr=name):
                yield from () if name in own else (name,)
            case ast.Call(func=ast.Name(id=by), args=[_, ast.Constant(value=str(name)), *_]):
                yield from (name,) if by in _BY_TEXT else ()
            case ast.Constant(value=str(name)):
                yield from () if name in inherited else (name,)
            case ast.Import(names=aliases):
                yield from (part for alias in aliases for part in alias.name.split("."))
            case ast.ImportFrom(module=module, names=aliases):
                yield from (alias.name for alias in aliases)
                yield from (module or "").split(".")


def overridden(package: Path) -> set[tuple[str, str]]:
    """(file, name) of every private method of a library that a class of the package replaces."""
    found = set()
    for path in package.rglob("*.py"):
        place = path.relative_to(package)
        if place.stem == "__main__":
            continue
        module = importlib.import_module(".".join(("crawler", *place.with_suffix("").parts)))
        for each in vars(module).values():
            if isinstance(each, type) and each.__module__ == module.__name__:
                found |= {(place.as_posix(), name) for name in _replaced(each)}
    return found


def _replaced(kind: type) -> Iterator[str]:
    foreign = [base for base in kind.__mro__[1:] if not base.__module__.startswith("crawler")]
    own = [name for name, value in vars(kind).items() if isinstance(value, FunctionType)]
    for name in filter(_PRIVATE.fullmatch, own):
        if any(name in vars(base) for base in foreign):
            yield name


@pytest.mark.slow
def test_each_private_name_of_a_library_is_known() -> None:
    """PK5: what is used or replaced is in the table, and what is in the table is used."""
    known = set().union(*KNOWN.values())
    found = used(PACKAGE) | overridden(PACKAGE)
    assert (sorted(found - known), sorted(known - found)) == ([], [])


@pytest.mark.parametrize("library", [*(name for name in KNOWN if name != "python"), "frostwork"])
def test_such_a_library_has_an_upper_bound(library: str) -> None:
    """PK5: a release that may have other names or formats is not installed by itself."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    (wanted,) = (line for line in project["dependencies"] if re.match(rf"{library}\b", line))
    assert "<" in wanted


@pytest.mark.parametrize(
    "line",
    [
        "from frostwork import _frostwork",
        "import frostwork._frostwork",
        "from frostwork._frostwork import Plan",
        "def f(session): return session._connector",
        "def f(session): session._connector = 1",
        "class A(B):\n    def f(self): return self._loop_of_b",
        "class A(B):\n    def f(self): return super()._conns",
        "def f(pool): return getattr(pool, '_threads', ())",
        "NAME = '_private_name'",
    ],
)
def test_the_check_sees_each_kind_of_use(tmp_path: Path, line: str) -> None:
    """A module with one use of a foreign private name has exactly one finding."""
    (tmp_path / "new.py").write_text(f"{line}\n")
    assert len(used(tmp_path)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "class A:\n    def __init__(self): self._a = 1\n    def f(self, other): return other._a",
        "_NAME = 1\nprint(_NAME)",
        "def f(pair): return pair._replace(a=1)",
        "import os\nos._exit(1)",
        "from __future__ import annotations",
    ],
)
def test_the_check_leaves_own_names_alone(tmp_path: Path, line: str) -> None:
    """What a file makes itself is its own business."""
    (tmp_path / "new.py").write_text(f"{line}\n")
    assert used(tmp_path) == set()
