"""The targets of a load: the URLs of the command line, then those of lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from crawler.load.endpoint import Endpoint
from crawler.load.planner import Target
from crawler.load.template import is_template
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError
from crawler.model.url import Seed, Url, masked
from crawler.store.archive import unpacked
from crawler.store.blocks import Input
from crawler.store.entries import form_of
from crawler.store.entry import seed, trimmed
from crawler.store.plain import plain
from crawler.store.remote_input import is_remote
from crawler.store.sources import UrlSource
from crawler.store.text import LONGEST, lines, utf8

MOST = 1_000_000
"""A list is kept in memory, as requests; a million are some 200 MB in each process."""

_AT_ONCE = 10_000


def targets(words: Sequence[str], lists: Sequence[str]) -> list[Target]:
    """Return all targets in order: URLs as the WHATWG standard writes them, or objects.

    A scheme has to be there: a crawl means https by a bare host, a load hardly ever does. Raises
    `ConfigurationError` for an invalid URL, for none at all and for more than `MOST`, and
    `EnvironmentFailure` for a list that cannot be read.
    """
    found: list[Target] = []
    for target in _all(words, lists):
        found.append(target)
        if len(found) > MOST:
            raise ConfigurationError(f"input: more than {MOST:,} URLs; give a part of the list")
    if not found:
        raise ConfigurationError("nothing to load: give a URL, or a list with -i FILE")
    return found


def _all(words: Sequence[str], lists: Sequence[str]) -> Iterator[Target]:
    if list(lists).count("-") > 1:
        raise ConfigurationError("input: standard input can be read only once; give one '-'")
    for word in words:
        yield _word(word)
    inputs = [name if _is_listed(name) else Input(name) for name in lists]  # all are looked at
    for each in inputs:
        yield from _listed(each) if isinstance(each, str) else _read(each)


def _is_listed(name: str) -> bool:
    """Return whether a list has URLs and nothing else that a request may need."""
    return is_remote(name) or form_of(name, CommandConfig()) not in ("lines", "jsonl")


def _listed(name: str) -> Iterator[Target]:
    source = UrlSource([], [name], CommandConfig())
    try:
        while block := source.read(_AT_ONCE):
            yield from (_href(each, name) for each in block)
    finally:
        source.close()


def _read(found: Input) -> Iterator[Target]:
    """Read lines, each a URL or a JSON object, whatever the file's name."""
    folder = Path() if found.name == "-" else Path(found.name).parent
    blocks = unpacked(found.blocks(lambda size: None, lambda: False), found.label)
    text = chain.from_iterable(lines(utf8(blocks, found.label), LONGEST))
    for number, line in enumerate(text, 1):
        yield from _line(line, f"{found.label} line {number}", folder.absolute())


def _line(line: str, source: str, folder: Path) -> Iterator[Target]:
    text = trimmed(line)
    if text.startswith(("{", "[")):
        target = Endpoint.read(text, source, folder)
        yield replace(target, url=_checked(target.url, source))
    elif is_template(text) and not text.startswith("#"):
        yield Endpoint(url=_checked(text.partition("\t")[0], source), source=source)
    else:
        for entries in plain(iter([[line]]), None):
            yield from (_href(seed(entry), source) for entry in entries)


def _word(text: str) -> Target:
    return _checked(text.strip(), "") if is_template(text) else _href(seed(text), "")


def _href(found: Seed, source: str) -> str:
    text = _checked(found.input.strip(), source)
    if not isinstance(found.url, Url):
        raise _refused(text, f": {found.url.reason}", source)
    return found.url.href


def _checked(text: str, source: str) -> str:
    if not text.lower().startswith(("http://", "https://")):
        raise _refused(text, "; put http:// or https:// before it", source)
    return text


def _refused(text: str, why: str, source: str) -> ConfigurationError:
    place = f"{source}: " if source else ""
    return ConfigurationError(f"{place}{masked(text)[:80]!r} is not a URL{why}")
