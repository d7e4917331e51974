"""The URLs on the command line; words that were meant as something else are refused."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from shlex import quote

from crawler.model.errors import ConfigurationError
from crawler.model.option import Option
from crawler.model.url import no_site

_LISTS = (".txt", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xml", ".rss", ".gz", ".zst")
"""Ends of file names; no top-level domain is called so."""


def check(seeds: Sequence[str], given: Mapping[str, object], known: Mapping[str, Option]) -> None:
    """Refuse a file, or a word that is not a site, in place of a URL.

    given: the command line's options, among `known`; the word may be meant as a value of one of
    them. Raises `ConfigurationError`.
    """
    for seed in seeds:
        if seed == "-":
            raise ConfigurationError("-: is not a URL; to read standard input, say -i -")
        if ":" in seed.partition("/")[0] or seed.startswith("//"):
            continue  # a scheme, or a port
        if os.path.exists(seed) and not os.path.isdir(seed):
            raise ConfigurationError(
                f"{seed}: is a file; did you mean -i {quote(seed)}? If not, say https://{seed}"
            )
        if seed.lower().endswith(_LISTS) and "/" not in seed:
            raise ConfigurationError(
                f"{seed}: no such file, and no site has such a name; check it, and read it with -i"
            )
        if reason := no_site(seed.strip()):
            hints = "".join(map(_hint, _switches(seed, given, known)))
            raise ConfigurationError(f"{seed[:200]!r} is not a URL: {reason}{hints}")


def _switches(
    seed: str, given: Mapping[str, object], known: Mapping[str, Option]
) -> Sequence[Option]:
    """Return the flags that `seed` may have been meant as a value for.

    That is the flag before it, or every flag given if the words are not available.
    """
    specs = [known[name] for name, value in given.items() if value is True and name in known]
    switches = [spec for spec in specs if spec.type is bool]
    before = {word for word, after in pairwise(sys.argv) if after == seed}
    return [spec for spec in switches if before & {spec.flag, spec.short}] or switches


def _hint(switch: Option) -> str:
    off = f"{switch.negative} turns it off"
    cure = off if switch.default else "leave it out to have none"
    return f"; {switch.flag} takes no value, {cure}"
