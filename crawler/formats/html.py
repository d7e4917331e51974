"""Extract from a page's markup, with either HTML library.

Each library has one file that imports it and provides one function: `by_frostwork`, the cheapest,
and `by_lexbor`, a tree by the HTML standard. Either can be dropped. `by_lexbor` describes their
differences.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from crawler.formats.found import Found
from crawler.model.choices import Html
from crawler.model.errors import ConfigurationError
from crawler.model.extras import install

_NEEDS: Final = {
    "frostwork": ("frostwork", "pip install frostwork"),
    "lexbor": ("selectolax", install("lexbor")),
}


def check(library: Html) -> None:
    """Raise `ConfigurationError` if a library is not installed, without importing it."""
    package, command = _NEEDS[library]
    if find_spec(package) is None:
        raise ConfigurationError(f"html: {library} is not installed; {command}")


def find(body: bytes, encoding: str, *, token: str = "", library: Html = "frostwork") -> Found:
    """Return the fields' raw values in `body`, in the WHATWG encoding `encoding`. Never raises.

    With a crawler's product token also return what following its links needs: text nodes without
    scripts and styles, and links not to follow.
    """
    return finder(library)(body, encoding, token)


@cache
def finder(library: Html) -> Callable[[bytes, str, str], Found]:
    """Import a library and return its function."""
    found: Callable[[bytes, str, str], Found] = import_module(f"crawler.formats.by_{library}").find
    return found
