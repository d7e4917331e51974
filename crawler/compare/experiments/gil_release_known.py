"""Known facts of each library and control of `gil-release`, and predictions from them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from math import inf
from typing import NamedTuple

from crawler.compare.design import Interpreter
from crawler.compare.experiments.gil_release_work import CALL, LOOP, ZLIB
from crawler.formats.libraries import MODULES
from crawler.measure.gil import USUAL

KEPT = USUAL / 2
"""Who waits longer than this is kept out; on a free core it takes a tenth of a millisecond."""
BOUND = 2 * USUAL
"""Who waits longer than this for a long page waits for C code that cannot be asked."""
_ASK = """
import importlib.util, sys
for module in sys.argv[1:]:
    try:
        print(int(importlib.util.find_spec(module) is not None))
    except ImportError:
        print(0)
"""


class Known(NamedTuple):
    """frees: whether it is known to free the lock; None if it does so for a part, or if unknown.

    pages: of one turn, about 0.15 s. native: written in C or the like; else in Python.
    """

    frees: bool | None
    pages: int
    native: bool


KNOWN: Mapping[str, Known] = {
    "frostwork": Known(True, 400, native=True),
    "selectolax": Known(None, 160, native=True),
    "turbohtml": Known(False, 240, native=True),
    "lxml": Known(None, 100, native=True),
    "html.parser": Known(False, 12, native=False),
    "html5lib": Known(False, 4, native=False),
    "BeautifulSoup": Known(False, 4, native=False),
    ZLIB: Known(True, 320, native=True),
    LOOP: Known(False, 200, native=False),
    CALL: Known(False, 6, native=True),
}


def present(interpreter: Interpreter) -> Sequence[str]:
    """Return the libraries that an interpreter can import; it is asked once."""
    return _present(interpreter.path)


@cache
def _present(path: str) -> Sequence[str]:
    command = [path, "-P", "-c", _ASK, *MODULES.values()]
    told = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    return [
        name for name, is_there in zip(MODULES, told.stdout.split(), strict=True) if is_there == "1"
    ]


class LockWait(NamedTuple):
    """The predicted bounds of a figure of the victim; both 0 for none."""

    claim: str
    figure: str
    least: float = 0.0
    most: float = 0.0


def expected(name: str, *, gil: bool, cores: int) -> Iterator[LockWait]:
    """Yield the median waits predicted for another thread next to one that does this."""
    frees, native = KNOWN[name].frees, KNOWN[name].native
    beside, long = f"beside {name}", f"beside {name} with a page of 5 MB"
    if gil and name == LOOP:
        yield LockWait(f"{beside} it waits about a switch interval", "kept", KEPT, BOUND)
    elif gil and name == CALL:
        yield LockWait(f"{beside} it waits until that returns", "kept", BOUND, inf)
    elif gil and frees is False:
        yield LockWait(f"{beside} another thread is kept out", "kept", KEPT, inf)
        if native:
            yield LockWait(f"{long} it waits until that is done", "long", BOUND, inf)
    elif cores > 1 and (frees or not (gil or native)):
        yield LockWait(f"{beside} another thread is not kept out", "kept", 0.0, KEPT)
        if frees and name in MODULES:
            yield LockWait(f"{long} it is not kept out either", "long", 0.0, KEPT)
    else:
        yield LockWait(f"{beside}: what another thread waits", "kept")
