"""The records that a retry replaces, and the requests of those that had more than a URL.

No record has headers or bodies, so the list of the crawl is read again for them: the first entry
with the method, URL and body of a record makes its request. POST and PATCH that may have reached
the server are left alone, as within a crawl.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

from crawler.core.seen import FingerprintSet
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError
from crawler.model.outcome import Kind
from crawler.model.payload import Payload, mark_of, marked
from crawler.model.request import Request
from crawler.model.url import Seed, Url, fingerprint
from crawler.store.sources import UrlSource
from crawler.store.written import WrittenRecord

_PASSING = frozenset(kind.value for kind in Kind if kind.may_pass)
_UNSENT = frozenset(
    {Kind.DNS_TEMPORARY, Kind.CONNECT, Kind.CONNECT_TIMEOUT, Kind.HOST_DOWN, Kind.THROTTLED}
    | {Kind.INTERRUPTED, Kind.NOT_CACHED}
)
"""Kinds of failures for which nothing has reached the server, without a redirect before."""
_AT_ONCE = 10_000


class RetriedRequests:
    """Chooses records. `inputs` are the lists of the crawl, `config` has its options.

    `unlisted` counts records whose requests are in no list given, `sent` those left alone as they
    may have reached their server. Raises `ConfigurationError` for standard input.
    """

    def __init__(self, inputs: Sequence[str], config: CommandConfig) -> None:
        if "-" in inputs:
            raise ConfigurationError("input: a retry reads the list twice; name a file")
        self.inputs = tuple(inputs)
        self._config = config
        self._unsafe = config.network.repeat_unsafe
        self._hops_known = not config.fields or "redirects" in config.fields
        self._wanted, self._listed = FingerprintSet(), FingerprintSet()
        self.unlisted = self.sent = 0

    def __repr__(self) -> str:
        return f"RetriedRequests({self.inputs!r}, {len(self._listed)} of {len(self._wanted)})"

    def want(self, record: WrittenRecord) -> None:
        """Take note of a record, before `find`."""
        if self._passes(record) and record.method is not None:
            self._wanted.add(_key(record))

    def find(self) -> None:
        """Look for the requests of the records in the lists. Raises what `UrlSource` raises."""
        for key, _ in self._seeds() if len(self._wanted) else ():
            self._listed.add(key)

    def takes(self, record: WrittenRecord) -> bool:
        """Tell whether a record is to be replaced: its URL may succeed another time."""
        if not self._passes(record):
            return False
        return record.method is None or _key(record) in self._listed

    def count(self, record: WrittenRecord) -> None:
        """Count a record that is left alone although its URL may succeed another time."""
        if record.kind not in _PASSING or record.method is None or self.takes(record):
            return
        if self._passes(record):
            self.unlisted += 1
        else:
            self.sent += 1

    def requests(self) -> Iterator[Request]:
        """Yield the requests of the lists that replace records, each once.

        Raises `ConfigurationError` if a list has lost one in the meantime.
        """
        given = FingerprintSet()
        for key, seed in self._seeds() if len(self._listed) else ():
            if key in self._listed and given.add(key) and isinstance(seed.url, Url):
                href = seed.url.href
                yield Request(
                    url=seed.url,
                    seed=href,
                    input=seed.input,
                    source=seed.source,
                    payload=seed.payload,
                )
        if len(given) != len(self._listed):
            raise ConfigurationError(f"{', '.join(self.inputs)}: changes while it is read")

    def _seeds(self) -> Iterator[tuple[int, Seed]]:
        """Yield wanted entries of the lists, with their keys."""
        with closing(UrlSource([], self.inputs, self._config)) as source:
            while seeds := source.read(_AT_ONCE):
                for seed in seeds:
                    if seed.payload is not None and isinstance(seed.url, Url):
                        key = fingerprint(marked(seed.url.href, seed.payload))
                        if key in self._wanted:
                            yield key, seed

    def _passes(self, record: WrittenRecord) -> bool:
        once = record.method is not None and Payload(record.method).once
        if not once or self._unsafe:
            return record.kind in _PASSING or (once and record.kind == Kind.UNCERTAIN)
        return record.kind in _UNSENT and self._hops_known and not record.redirects


def _key(record: WrittenRecord) -> int:
    return fingerprint(f"{record_mark(record)}{record.url}")


def record_mark(record: WrittenRecord) -> str:
    """Return the `Payload.mark` of the request that a record is of."""
    return mark_of(record.method or "GET", record.sent_hash or "")
