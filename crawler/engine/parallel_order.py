"""The order of a run with several workers, and how many it gets.

One partition is an ordinary crawl, unless its output is a directory of parts. The number of
partitions is fixed when a run begins; a later one with more or fewer workers goes on with as many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from crawler.core.ownership import dealt_out, site_of
from crawler.model.command_config import CommandConfig
from crawler.model.url import Url
from crawler.model.value import value
from crawler.runtime import limits
from crawler.runtime.suffixes import PublicSuffixes
from crawler.store.forms import OutputTarget
from crawler.store.journal.resumption import lasting_options
from crawler.store.remote_input import is_remote
from crawler.store.run_folder import RunFolder
from crawler.store.sources import InputProgress, UrlSource

_SAMPLE = 10_000
"""Entries of a list that are looked at for its hosts."""
_HOSTS = 2
"""Hosts that `auto` wants for each partition: with one, the hash leaves too many without any."""
_URLS = 1_000
"""URLs of a list that `auto` wants for each partition: a process takes as long to start as they do.
"""


@value(frozen=True, slots=True, kw_only=True)
class ParallelOrder:
    """The order of a run. lasting: the same command continues it after it was ended."""

    config: CommandConfig
    seeds: Sequence[str]
    inputs: Sequence[str]
    targets: Sequence[OutputTarget]
    lasting: bool

    @property
    def output(self) -> str:
        """The first output, by which people know the run."""
        return self.targets[0].path

    @property
    def options(self) -> dict[str, Any]:
        """The options that a later run has to share."""
        return lasting_options(self.config, [each.name for each in self.targets[1:]])

    @property
    def folder(self) -> RunFolder:
        """The state of a run that lasts."""
        return RunFolder(self.output, self.config.state, given=self.config.given())


class SampledList:
    """The list, as far as the parent looks at it: its length is an estimate.

    hosts: the entries of each host, by its key. copies: the directory with copies of what is not a
    file, which is left out without them.
    """

    def __init__(self, order: ParallelOrder, copies: Path | None = None) -> None:
        hidden = any(map(unseen, order.inputs))
        names = [name for name in order.inputs if copies or not unseen(name)]
        if copies:
            names = [str(copies / "input") if name == "-" else name for name in names]
        source = UrlSource(order.seeds, names, order.config)
        if copies:
            source.keep_copies(copies)
        self.hosts: Counter[str] = Counter()
        self.looked_at = 0
        while self.looked_at < _SAMPLE and (seeds := source.read(_SAMPLE - self.looked_at)):
            self.looked_at += len(seeds)
            self.hosts.update(seed.url.host_key for seed in seeds if isinstance(seed.url, Url))
        self._progress = source.progress()
        if hidden and not copies:
            self._progress = replace(self._progress, bytes_total=None)
        source.close()

    def __repr__(self) -> str:
        return f"SampledList({self._progress})"

    def progress(self) -> InputProgress:
        """Return the progress of the look."""
        return self._progress

    def sites(self, partitions: int) -> dict[str, int]:
        """Return the partitions of the sites that were seen, which get about as much each."""
        suffixes = PublicSuffixes()
        sizes: Counter[str] = Counter()
        for key, number in self.hosts.items():
            sizes[site_of(key, suffixes)] += number
        return dealt_out(sizes, partitions)

    def sizes(self, sites: Mapping[str, int]) -> dict[int, int]:
        """Return the number of entries of each partition, of those seen on sites dealt out."""
        suffixes = PublicSuffixes()
        found: Counter[int] = Counter()
        for key, number in self.hosts.items():
            owner = sites.get(site_of(key, suffixes))
            if owner is not None:
                found[owner] += number
        return found

    def close(self) -> None:
        """Do nothing: it is closed."""


def unseen(name: str) -> bool:
    """Return whether an input is copied before the crawl, and not looked at before that."""
    return name == "-" or is_remote(name)


def partitions_of(order: ParallelOrder, announce: Callable[[str], None]) -> int:
    """Return the number of partitions of a run; 0 for an ordinary crawl."""
    config, fresh = order.config, order.config.existing == "replace"
    wanted = config.workers.number
    if order.lasting:
        folder = order.folder
        if fresh and folder.partitions:
            replaced(order)
        elif begun := folder.partitions:
            return begun
        elif folder.started_alone and not fresh:
            if wanted != 1:
                announce(f"workers: {order.output} was begun with one, and goes on so")
            return 0
    if not wanted:
        wanted = _automatic(order, announce)
    return wanted if wanted > 1 or not all(each.alone for each in order.targets) else 0


def replaced(order: ParallelOrder) -> None:
    """Discard the state of a run that is replaced."""
    folder = order.folder
    if order.config.existing == "replace" and folder.partitions:
        with closing(folder):
            folder.lock()
            folder.discard()


def _automatic(order: ParallelOrder, announce: Callable[[str], None]) -> int:
    """Return one partition a core, if the list has hosts enough."""
    cores = limits.cores()
    if any(map(unseen, order.inputs)):
        announce("workers: auto is 1, as the hosts of a list that is not a file are not known")
        return 1
    found = SampledList(order)
    number = min(cores, len(found.hosts) // _HOSTS)
    if not order.config.following.follow:
        number = min(number, (found.progress().expected or 0) // _URLS)
    hosts = f"{len(found.hosts):,} hosts in the first {found.looked_at:,} URLs"
    announce(f"workers: auto is {max(1, number)}, with {cores} cores and {hosts}")
    return max(1, number)
