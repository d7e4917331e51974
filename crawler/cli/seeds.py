"""The URLs on the command line: words that were meant as something else are refused."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from shlex import quote

from crawler.model.errors import ConfigurationError
from crawler.model.option import Option
from crawler.model.url import no_site

_LISTS = (".txt", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xml", ".rss", ".gz", ".zst")
"""Ends of file names; no top-level domain is called so."""


def check(seeds: Sequence[str], given: Mapping[str, object], known: Mapping[str, Option]) -> None:
    """Refuse a file, or a word that is no site, in the place of a URL.

    given: the options of the command line, among `known`; one of them may have been meant to have
    the word as its value. Raises `ConfigurationError`.
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
            hints = "".join(_hints(given, known))
            raise ConfigurationError(f"{seed[:200]!r} is not a URL: {reason}{hints}")


def _hints(given: Mapping[str, object], known: Mapping[str, Option]) -> Iterator[str]:
    """What to say instead of a value behind a flag that takes none."""
    for name, value in given.items():
        spec = known.get(name)
        if spec is None or spec.type is not bool or not value:
            continue
        cure = f"--no-{spec.flag[2:]} turns it off" if spec.default else "leave it out to have none"
        yield f"; {spec.flag} takes no value, {cure}"
