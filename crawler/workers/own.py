"""Find and load a user's parser, and installed extractors, by name.

`file.py:function` names a file. `module:function` names an installed module (PYTHONPATH counts) or
one in the current directory; if both exist the name is refused, as a file that happens to lie there
must not run in a library's place (CWE-427). The directory is searched for this name only. The
module's folder is then searched for its own imports, after everything else so that nothing there
shadows a library: in workers from then on, in the crawler's own process only while the module
loads.

An extractor is a function that an installed distribution provides by name, for `--extract`:

    [project.entry-points."crawler.extractors"]
    prices = "shop_extractors:prices"

The package itself has one, `metadata`. An extractor takes a `crawler.Response` and returns anything
that can be written as JSON.

A worker gets the name and the folder in its `Work`, so the crawler's own process need not import
the parser: `check` finds what can be found without importing.
"""

from __future__ import annotations

import importlib
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from pkgutil import get_importer
from types import ModuleType
from typing import Any

from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError
from crawler.model.option import closest
from crawler.workers.failure_reason import one_line, place

EXTRACTORS = "crawler.extractors"

_BUILT_IN = {"metadata": "crawler.formats.metadata:metadata"}

Extractors = tuple[tuple[str, str], ...]
"""Pairs of a name and its `module:function`."""


def installed() -> dict[str, str]:
    """Return the extractors: `module:function` by name, the installed ones and the package's."""
    from importlib.metadata import entry_points  # with it comes `email`

    points = entry_points(group=EXTRACTORS)
    return {point.name: point.value for point in points} | _BUILT_IN


def located(names: Sequence[str]) -> Extractors:
    """Return the extractors with these names; raise `ConfigurationError` for an unknown one."""
    if not names:
        return ()
    known = installed()
    for name in names:
        if name not in known:
            hint = closest(name, known) or f"; installed: {', '.join(sorted(known)) or 'none'}"
            raise ConfigurationError(f"extract: no extractor {name!r} is installed{hint}")
    return tuple((name, known[name].partition("[")[0].strip()) for name in names)


def current_directory() -> str:
    """Return the folder to search for parsers; "" if it has been deleted."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def check(path: str, folder: str, *, option: str = "parser") -> None:
    """Raise `ConfigurationError` if no module or more than one is meant, without importing it.

    option: its name begins the error message.
    """
    module, name = _parts(path, option)
    here, top = _specs(module, folder), module.partition(".")[0]
    if _is_file(module):
        if not here:
            raise ConfigurationError(f"{option}: cannot import {path!r}: the file does not exist")
        return
    installed = top in sys.modules or find_spec(top) is not None
    if not (here or installed):
        raise ConfigurationError(f"{option}: cannot import {path!r}: no module named {top!r}")
    if here and installed and not _alone(here[0]):
        file = os.path.relpath(here[-1].origin or "", folder)
        raise ConfigurationError(
            f"{option}: {path!r} is an installed module and one of the current directory; for the "
            f"latter use ./{file}:{name}"
        )


def name_of(call: object) -> str:
    """Return the name of a function for messages; "" for None."""
    return "" if call is None else getattr(call, "__qualname__", type(call).__name__)


def needs_main(call: object) -> bool:
    """Return True if a function can be unpickled only by a process that runs the main script."""
    return call is not None and b"__main__" in (_pickled(call) or b"")


def accepting(config: CrawlConfig, call: Callable[..., Any]) -> CrawlConfig:
    """Return `config` with an executor that can run `call`.

    `auto` becomes `inline` for a function that cannot be sent to other processes without side
    effects: a lambda, a local function, or one of a script or notebook, which each process would
    run again. Raise `ConfigurationError` if a process was asked for, or if nothing is parsed.
    """
    if not callable(call):
        raise ConfigurationError(f"parser: expected a function, got {type(call).__name__}")
    parse, data = config.parsing.parse, _pickled(call)
    if parse == "none":
        raise ConfigurationError("parser and parse: a parser needs parse other than none")
    if parse == "auto":
        return config if data and b"__main__" not in data else config.updated({"parse": "inline"})
    script = getattr(sys.modules["__main__"], "__file__", None) or ""  # none in a notebook
    # A function of `__main__` can be sent only to a process that can run the main script.
    here = b"__main__" in (data or b"") and (parse == "interpreter" or not os.path.isfile(script))
    if parse in ("process", "interpreter") and (data is None or here):
        raise ConfigurationError(
            f"parser: {name_of(call)} cannot be sent to another {parse}; define it at the top of a "
            "module, or use parse='inline' or 'thread'"
        )
    return config


def _pickled(call: object) -> bytes | None:
    """Return a function pickled for other processes; None if that fails."""
    try:
        return pickle.dumps(call)
    except (pickle.PicklingError, AttributeError, TypeError):
        return None


def load(path: str, folder: str, *, keep: bool, option: str = "parser") -> Callable[..., Any]:
    """Return the function that `path` names; raise `ConfigurationError` if it cannot be loaded.

    keep: leave the module's folder on the search path, as workers do. option: its name begins the
    error message.
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
            f"{option}: expected package.module:function or file.py:function, got {path!r}"
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
    """Return the specs of a module in a folder and of its parent packages; [] if not found."""
    if not folder or module == "__main__":
        return []
    if _is_file(module):
        file = Path(folder, module)
        found = spec_from_file_location(file.stem, file) if file.is_file() else None
        return [found] if found else []
    importlib.invalidate_caches()  # the module may just have been written
    specs: list[ModuleSpec] = []
    place, name = folder, ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        finder: Any = get_importer(place)
        spec = finder.find_spec(name) if finder is not None else None
        if spec is None:
            return []
        specs.append(spec)
        place = str(Path(place, part))
    return specs if specs[-1].origin else []  # a plain folder is not a module


def _alone(spec: ModuleSpec) -> bool:
    """Return True if no other file would be imported under the name of a top-level module."""
    there = sys.modules.get(spec.name)
    return _same(there.__spec__ if there else find_spec(spec.name), spec)


def _loaded(spec: ModuleSpec) -> ModuleType:
    """Load a module from its file; register it unless another module has its name."""
    there = sys.modules.get(spec.name)
    if there is not None and _same(there.__spec__, spec):
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


def _same(of: ModuleSpec | None, spec: ModuleSpec) -> bool:
    if of is None or not (of.origin and spec.origin):  # packages without a file
        return of is not None and not of.origin and not spec.origin
    return os.path.realpath(of.origin) == os.path.realpath(spec.origin)


@contextmanager
def _searched(folder: str, *, keep: bool) -> Iterator[None]:
    """Append a folder to the search path: within the block, or for good."""
    if folder in sys.path:
        yield
        return
    sys.path.append(folder)
    try:
        yield
    finally:
        if not keep:
            sys.path.remove(folder)
