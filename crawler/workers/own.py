"""A parser of the user's own: which file its name means, and how that is loaded.

`file.py:function` means that file. `module:function` means a module of that name in the current
directory, if there is one, and else an installed one (PYTHONPATH counts). The directory is looked
at for this one name. What is found there is loaded from its file, and then its folder is searched
for what the module itself imports: behind everything else, so that nothing there takes the place of
a library, and in workers alone. Where pages are parsed in the crawler's own process it is searched
while the module loads, and no longer.

A worker has the name and the folder in its `Work`, and the crawler's own process need not import
what a worker will: `check` sees what can be seen without.
"""

from __future__ import annotations

import importlib
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
    SourcelessFileLoader,
)
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError
from crawler.workers.failure_reason import one_line, place

_LOADERS: Any = (
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (SourceFileLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)
"""What Python itself loads from a folder, in its order."""


def current_directory() -> str:
    """Return the folder in which parsers are looked for; "" if it has been deleted."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def check(path: str, folder: str, *, option: str = "parser") -> None:
    """Raise `ConfigurationError` if there is no module of this name; imports nothing.

    option: the one that has the name, for the error's text.
    """
    module, _ = _parts(path, option)
    if _specs(module, folder):
        return
    if _is_file(module):
        raise ConfigurationError(f"{option}: cannot import {path!r}: there is no such file")
    top = module.partition(".")[0]
    if top not in sys.modules and find_spec(top) is None:
        raise ConfigurationError(f"{option}: cannot import {path!r}: no module named {top!r}")


def name_of(call: object) -> str:
    """Return how a message calls a function that was given as such; "" for None."""
    return "" if call is None else getattr(call, "__qualname__", type(call).__name__)


def needs_main(call: object) -> bool:
    """Tell whether another process can have a function only with the main script in it."""
    return call is not None and b"__main__" in (_pickled(call) or b"")


def accepting(config: CrawlConfig, call: Callable[..., Any]) -> CrawlConfig:
    """Return `config` with an executor that can have `call`.

    `auto` becomes `inline` for a function that other processes cannot have without side effects: a
    lambda, a local one, or one of a script or notebook, which would run once more in each process.
    Raises `ConfigurationError` where a process was asked for, or nothing is parsed.
    """
    if not callable(call):
        raise ConfigurationError(f"parser: expected a function, got {type(call).__name__}")
    parse, data = config.parsing.parse, _pickled(call)
    if parse == "none":
        raise ConfigurationError("parser and parse: a parser needs parse other than none")
    if parse == "auto":
        return config if data and b"__main__" not in data else config.updated({"parse": "inline"})
    script = getattr(sys.modules["__main__"], "__file__", None) or ""  # none in a notebook
    here = b"__main__" in (data or b"") and (parse == "interpreter" or not os.path.isfile(script))
    if parse in ("process", "interpreter") and (data is None or here):
        raise ConfigurationError(
            f"parser: {name_of(call)} cannot be sent to another {parse}; define it at the top of a "
            "module, or use parse='inline' or 'thread'"
        )
    return config


def _pickled(call: object) -> bytes | None:
    """Return how a function crosses to other processes; None if it cannot."""
    try:
        return pickle.dumps(call)
    except (pickle.PicklingError, AttributeError, TypeError):
        return None


def load(path: str, folder: str, *, keep: bool, option: str = "parser") -> Callable[..., Any]:
    """Return the function that `path` names.

    keep: go on searching the module's folder when it is loaded, as workers do. option: the one that
    has the name. Raises `ConfigurationError` in one line if there is no such function.
    """
    module, name = _parts(path, option)
    try:
        found: Any = _module(module, folder, keep=keep)
        for attribute in name.split("."):
            found = getattr(found, attribute)
    except (Exception, SystemExit) as error:  # whatever the module does when it is imported
        why = one_line(error) + ("" if isinstance(error, SyntaxError) else place(error))
        raise ConfigurationError(f"{option}: cannot import {path!r}: {why}") from error
    if not callable(found):
        kind = type(found).__name__
        raise ConfigurationError(f"{option}: {path!r} is a {kind}, not a function")
    function: Callable[..., Any] = found
    return function


def _parts(path: str, option: str) -> tuple[str, str]:
    module, colon, name = path.rpartition(":")
    if not (module and colon and name):
        raise ConfigurationError(
            f"{option}: {path!r} names no function; "
            "write package.module:function or file.py:function"
        )
    return module, name


def _is_file(module: str) -> bool:
    return module.endswith(".py")


def _module(module: str, folder: str, *, keep: bool) -> ModuleType:
    specs = _specs(module, folder)
    if not specs:
        return importlib.import_module(module)
    place = str(Path(folder, module).parent) if _is_file(module) else folder
    with _searched(place, keep=keep):
        parent: ModuleType | None = None
        for spec in specs:
            found = _loaded(spec)
            if parent is not None:
                setattr(parent, spec.name.rpartition(".")[2], found)
            parent = found
    assert parent is not None  # noqa: S101  there are specs
    return parent


def _specs(module: str, folder: str) -> list[ModuleSpec]:
    """Where a module and the packages above it lie in a folder; nothing if it is not there."""
    if not folder or module == "__main__":
        return []
    if _is_file(module):
        file = Path(folder, module)
        found = spec_from_file_location(file.stem, file) if file.is_file() else None
        return [found] if found else []
    specs: list[ModuleSpec] = []
    place, name = folder, ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        spec = FileFinder(place, *_LOADERS).find_spec(name)
        if spec is None:
            return []
        specs.append(spec)
        place = str(Path(place, part))
    return specs if specs[-1].origin else []  # a mere folder is no module


def _loaded(spec: ModuleSpec) -> ModuleType:
    """Load a module from its file, under its name unless that is another module's."""
    there = sys.modules.get(spec.name)
    if there is not None and _same(there, spec):
        return there
    made = module_from_spec(spec)
    if there is None:
        sys.modules[spec.name] = made
    if spec.loader is not None and spec.origin:
        try:
            spec.loader.exec_module(made)
        except BaseException:
            if sys.modules.get(spec.name) is made:
                del sys.modules[spec.name]
            raise
    return made


def _same(module: ModuleType, spec: ModuleSpec) -> bool:
    of = module.__spec__
    if of is None or not (of.origin and spec.origin):
        return of is not None and not of.origin and not spec.origin
    return os.path.realpath(of.origin) == os.path.realpath(spec.origin)


@contextmanager
def _searched(folder: str, *, keep: bool) -> Iterator[None]:
    """Search a folder behind all others: within the block, or from now on."""
    if folder in sys.path:
        yield
        return
    sys.path.append(folder)
    try:
        yield
    finally:
        if not keep:
            sys.path.remove(folder)
