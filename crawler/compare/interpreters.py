"""Other Pythons to measure with: checks that they can, and whether their lock is on.

Importing a module that is not made for it turns the lock of a free-threaded build back on, so that
its state is read after all that a crawl needs was imported. Such a build is measured twice, with
its lock on and off (`PYTHON_GIL`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from crawler.compare.design import Interpreter
from crawler.model.errors import EnvironmentFailure
from crawler.model.extras import DISTRIBUTION
from crawler.model.version import VERSION

_PROBE = """
import json, sys, sysconfig
free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
found = {"version": sys.version.split()[0], "free": free}
try:
    import crawler.compare.child
    from crawler.model.version import VERSION
    found["crawler"] = VERSION
    from crawler.measure.machine import packages
    found["packages"] = packages()
    import aiohttp, ada_url, brotli, frostwork, orjson, urllib3, zstandard
except Exception as error:
    found["problem"] = f"{type(error).__name__}: {error}"
try:
    import uvloop
except ImportError:
    pass
if sys.version_info >= (3, 14) and "problem" not in found:
    from crawler.workers.lanes import unloadable
    found["refusal"] = unloadable("crawler.formats.page")
found["gil"] = getattr(sys, "_is_gil_enabled", lambda: True)()
print(json.dumps(found))
"""
_SECONDS = 60.0  # the first import of all compiles all
_OLDEST = (3, 11)


def here() -> Interpreter:
    """Return the interpreter that runs this process, which needs no label."""
    return _made(_asked(sys.executable, {}), "", sys.executable)


def others(paths: Sequence[str]) -> list[Interpreter]:
    """Return those of `--python`; raise `EnvironmentFailure` for one that cannot measure.

    Each that shares its version with another has its path in its label, too.
    """
    found = [each for path in paths for each in _probed(path)]
    taken = Counter([sys.version.split()[0], *(each.label for each in found)])
    return [
        replace(each, label=f"{each.label} ({each.path})") if taken[each.label] > 1 else each
        for each in found
    ]


def _probed(name: str) -> Iterator[Interpreter]:
    path = shutil.which(name)
    if path is None:
        raise EnvironmentFailure(f"--python: {name}: no such interpreter")
    told = _asked(path, {})
    _check(name, told)
    if not told["free"]:
        yield _made(told, told["version"], path)
        return
    for word, switch in (("on", "1"), ("off", "0")):
        environment = {"PYTHON_GIL": switch}
        made = _made(_asked(path, environment), f"{told['version']}t, lock {word}", path)
        yield replace(made, environment=environment)


def _made(told: Mapping[str, Any], label: str, path: str) -> Interpreter:
    return Interpreter(
        label=label,
        path=path,
        version=told["version"],
        gil=told["gil"],
        parser_refusal=told.get("refusal", ""),
        packages=told.get("packages", {}),
    )


def _asked(path: str, environment: Mapping[str, str]) -> dict[str, Any]:
    try:
        done = subprocess.run(  # noqa: S603  an interpreter that the user named, or this one
            [path, "-P", "-c", _PROBE],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired):
        why = "does not answer as a Python of 3.11 or newer does"
        raise EnvironmentFailure(f"--python: {path} {why}") from None
    return told


def _check(name: str, told: Mapping[str, Any]) -> None:
    version, why = told["version"], ""
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        why = f"is Python {version}, older than 3.11"
    elif "crawler" not in told:
        why = f"has no package crawler {VERSION} ({told['problem']}); install it there: "
        why += f"{name} -m pip install {DISTRIBUTION}"
    elif told["crawler"] != VERSION:
        why = f"has crawler {told['crawler']}, not {VERSION}"
    elif "problem" in told:
        why = f"cannot crawl: {told['problem']}"
    if why:
        raise EnvironmentFailure(f"--python: {name} {why}")
