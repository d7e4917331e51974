"""Read the usual command lines of `crawler crawl` without the command-line library.

Importing the library and giving it the options takes a fifth of the CPU of a crawl of one URL. So
words that leave no doubt are read here: URLs, exact flags, valid values. Everything else is left to
the library, which alone says what is wrong, shows help, and reads variables. Both check a value by
the same `Spelling.read`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from crawler.cli.crawl_spelling import CRAWL
from crawler.model.errors import ConfigurationError
from crawler.model.option import Option

_LISTS = {"--input": "input", "-i": "input", "--output": "output", "-o": "output"}
_STREAM = "-"  # the one file name with a hyphen in front that leaves no doubt


class PlainWords(NamedTuple):
    """The URLs of a command line, and its options by name, in their own types."""

    seeds: list[str]
    options: dict[str, Any]


class _Unclear(Exception):
    """A word that is for the library to read."""


def read(words: Sequence[str], environment: Mapping[str, str] = os.environ) -> PlainWords | None:
    """Return the words after `crawl`; None if the library is to read them."""
    others = any(name.upper().startswith(CRAWL.prefix) for name in environment)
    if others or list(words[:1]) != ["crawl"]:
        return None
    try:
        return _read(iter(words[1:]))
    except (_Unclear, ConfigurationError):
        return None


def _read(words: Iterator[str]) -> PlainWords:
    flags = {name: spec for spec in CRAWL.options.values() for name in _names(spec)}
    seeds: list[str] = []
    given: dict[str, list[str]] = {}
    found: dict[str, Any] = {}
    for word in words:
        flag, equals, _ = word.partition("=") if word.startswith("--") else (word, "", "")
        value = partial(_value, word if equals else "", words)
        if not word.startswith("-"):
            seeds.append(word)
        elif (name := _LISTS.get(flag)) is not None:
            found[name] = (*found.get(name, ()), value(_STREAM))
        elif flag == "--config" and "config" not in found:
            found["config"] = value()
        elif word == "--unlimited":
            found["unlimited"] = True
        elif (spec := flags.get(word)) is not None and spec.type is bool:
            found[spec.name] = word != spec.negative
        elif (spec := flags.get(flag)) is not None and spec.type is not bool:
            given.setdefault(spec.name, []).append(value())
        else:
            raise _Unclear
    options = CRAWL.options
    return PlainWords(seeds, found | {n: CRAWL.read(options[n], v) for n, v in given.items()})


def _names(spec: Option) -> list[str]:
    """Return the words for an option, with the negative of a switch that is on."""
    on = spec.type is bool and CRAWL.default(spec) is True
    return [spec.flag, *([spec.short] if spec.short else []), *([spec.negative] if on else [])]


def _value(word: str, words: Iterator[str], hyphened: str = "") -> str:
    """Return the value of a flag: behind the `=` of its word, or the next one."""
    value = word.partition("=")[2] if word else next(words, "")
    if not value or (value.startswith("-") and value != hyphened):
        raise _Unclear
    return value
