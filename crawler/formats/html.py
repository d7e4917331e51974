"""What a crawler asks of a page's markup, of whichever HTML library does it.

Each library has one file, which alone imports it and gives one function: `by_frostwork`, which
costs the least, and `by_lexbor`, a tree by the HTML standard. Either can be dropped. What they
differ in is told in `by_lexbor`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Final, Protocol

from crawler.formats.found import Found, without
from crawler.model.choices import Html
from crawler.model.errors import ConfigurationError
from crawler.model.extras import install

__all__ = ["Found", "check", "find", "without"]

_NEEDS: Final = {
    "frostwork": ("frostwork", "pip install frostwork"),
    "lexbor": ("selectolax", install("lexbor")),
}


class _Find(Protocol):
    def __call__(self, body: bytes, encoding: str, token: str) -> Found: ...


def check(library: Html) -> None:
    """Raise `ConfigurationError` if a library is not installed; imports nothing."""
    package, command = _NEEDS[library]
    if find_spec(package) is None:
        raise ConfigurationError(f"html: {library} is not installed; {command}")


def find(body: bytes, encoding: str, *, token: str = "", library: Html = "frostwork") -> Found:
    """Return the fields' raw values in `body`, in the WHATWG encoding `encoding`. Never raises.

    With a crawler's product token all that following its links needs, too: the text nodes but for
    scripts and styles, and what is not to be followed.
    """
    return _finder(library)(body, encoding, token)


@cache
def _finder(library: Html) -> _Find:
    found: _Find = import_module(f"crawler.formats.by_{library}").find
    return found
