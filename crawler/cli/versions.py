"""The versions of the interpreter, the crawler and the libraries, for `--stats`."""

from __future__ import annotations

import platform
import re
from importlib.metadata import PackageNotFoundError, requires, version

from crawler.model.extras import DISTRIBUTION
from crawler.model.version import VERSION

_NAME = re.compile(r"[A-Za-z0-9._-]+")  # a requirement begins with it (PEP 508)


def versions() -> dict[str, str]:
    """Return the versions of the interpreter, the crawler and its installed dependencies."""
    found = {"python": platform.python_version(), "crawler": VERSION}
    for name in _required():
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _required() -> list[str]:
    try:
        wanted = requires(DISTRIBUTION) or []
    except PackageNotFoundError:  # run from its sources, without having been installed
        return []
    base = [line for line in wanted if "extra ==" not in line]
    return [name[0] for line in base if (name := _NAME.match(line))]
