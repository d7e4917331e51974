"""Python processes of this package's own: which code they may find, and in which order.

Python puts the current directory in front of the path of modules for `-m` and `-c`: whoever can
write there (an unpacked archive, a downloads folder) would run code in each process that is started
below it, under any name that is imported, the standard library's included (CWE-427). `-P` leaves it
out (`sys.flags.safe_path`), and PYTHONSAFEPATH does so for what they start in their turn: they run
this package's code alone. PYTHONPATH counts.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from pathlib import Path

SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""What an environment must have so that no Python in it searches the current directory."""
_PACKAGE = Path(__file__).resolve().parents[2]


def python(*words: str) -> list[str]:
    """Return the command for this very Python with these arguments."""
    return [sys.executable, "-P", *words]


def environment() -> dict[str, str]:
    """Return this process's environment for a child, with this very package on its PYTHONPATH.

    The package comes last there: what was asked for counts first, as it did for this process.
    """
    path = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
    if str(_PACKAGE) not in _found_anyway():
        path.append(str(_PACKAGE))
    found = {**os.environ, **SAFE_PATH}
    return {**found, "PYTHONPATH": os.pathsep.join(path)} if path else found


def search_checkout(here: str) -> None:
    """Search `here` last of all if this very package lies there, as a checkout."""
    if here and Path(here).resolve() == _PACKAGE:
        sys.path.append(here)


def _found_anyway() -> set[str]:
    named = sysconfig.get_paths()
    return {named["purelib"], named["platlib"], site.getusersitepackages()}
