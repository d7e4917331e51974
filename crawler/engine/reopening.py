"""A crawl that has ended, opened again for URLs that failed for reasons that may pass.

`OUT.retry/` holds a copy of each file with such records, without them, and next to the first copy
the state of a crawl that has them waiting. It appears as a whole, so a crawl that continues there,
as any other does, ends with a record for each URL. Only then do the copies replace the files, one
rename each. Whatever is killed, the same command goes on: until the copies are renamed the old
output is untouched, and a rename that was made is not made again, as its copy has gone.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import UNSET

from crawler.core.scope import Scope
from crawler.core.seen import FingerprintSet
from crawler.engine.retried_requests import RetriedRequests, record_mark
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError
from crawler.model.request import Purpose, Request
from crawler.model.url import (
    InvalidUrl,
    Tracking,
    Url,
    canonical,
    equivalent,
    fingerprint,
    parse,
)
from crawler.runtime.suffixes import PublicSuffixes
from crawler.store.claim import unwritable
from crawler.store.journal import disk
from crawler.store.journal.frame import Marks
from crawler.store.journal.journal import Journal
from crawler.store.journal.state_folder import StateFolder
from crawler.store.outlet import Outlet
from crawler.store.output_files import check_room
from crawler.store.receipt_file import digest_of, fitting_receipt, indented, read_object
from crawler.store.written import WrittenRecord, parts_of, written_lines, written_record

_GROUP = 1_048_576  # bytes written at once; in an archive, the size of a member
_PORTION = 10_000  # records that are committed at once
_TARGETS = "targets.json"


class Reopening:
    """The files of a retry. `output` is that of a crawl: a file, or a directory of parts."""

    def __init__(self, output: str) -> None:
        self.output = output
        self._place = Path(os.path.realpath(output))
        self.path = self._place.with_name(f"{self._place.name}.retry")
        self.receipt = StateFolder(output).receipt

    def __repr__(self) -> str:
        return f"Reopening({str(self.path)!r})"

    @property
    def begun(self) -> bool:
        """True if an earlier run has opened the crawl, and not come to its end."""
        return (self.path / _TARGETS).exists()

    @property
    def ended(self) -> bool:
        """True if the URLs were crawled, and the copies have to replace the files."""
        folder = StateFolder(str(self.draft))
        return folder.receipt.exists() and not folder.begun

    @property
    def draft(self) -> Path:
        """The copy that new records join."""
        return self.path / str(self._targets()["first"])

    def earlier(self) -> dict[str, Any]:
        """Return the receipt of the crawl; {} without one that fits its output."""
        return fitting_receipt(self.receipt, str(self._place))

    def passing(self, requests: RetriedRequests) -> dict[str, int]:
        """Return the number of records to be replaced, by file; those without any are left out.

        Raises `EnvironmentFailure` for an output that cannot be read to its end.
        """
        parts = parts_of(self.output)
        for part in parts if requests.inputs else ():
            for record in _records_of(part):
                requests.want(record)
        requests.find()
        found: Counter[str] = Counter()
        for part in parts:
            for record in _records_of(part):
                found[part] += requests.takes(record)
                requests.count(record)
        return {part: number for part, number in found.items() if number}

    def check(self) -> None:
        """Discard an earlier run's copies if the output is not that from which they were made.

        A file is one that was there then, or a copy already. Raises `ConfigurationError`.
        """
        targets = self._targets()["parts"]
        for name, identity in targets.items():
            copied = (self.path / name).exists()
            if copied and _identity(self._target(name)) != identity:
                self.discard()
                raise ConfigurationError(
                    f"{self.output}: has changed since its retry was begun, which was discarded; "
                    "run the same command again"
                )

    def open(
        self, parts: Mapping[str, int], requests: RetriedRequests, config: CommandConfig
    ) -> None:
        """Make the copies, and the state of a crawl that has these records' URLs waiting.

        Raises `EnvironmentFailure`, for one if there is no room.
        """
        building = self.path.with_name(f"{self.path.name}.new")
        try:
            shutil.rmtree(building, ignore_errors=True)
            self.discard()
            check_room(
                self.output, self._place.parent, sum(map(os.path.getsize, parts)), "its copy"
            )
            building.mkdir(mode=0o700)
            names = [os.path.basename(part) for part in parts]
            identities = {os.path.basename(part): _identity(Path(part)) for part in parts}
            Copying(self, building, requests, config).copy(parts)
            value = {"first": names[0], "parts": identities, "receipt": self.earlier()}
            disk.replace(building / _TARGETS, indented(value))
            disk.settle(building)
            disk.rename(building, self.path)
            disk.settle(self.path.parent)
        except OSError as error:
            raise unwritable(str(building), error) from None

    def replace(self) -> dict[str, Any]:
        """Put the copies in the place of the files; return the receipt of the retry.

        Raises `EnvironmentFailure`.
        """
        try:
            targets = self._targets()
            receipt = read_object(StateFolder(str(self.draft)).receipt)
            for name in targets["parts"]:
                if (self.path / name).exists():
                    os.chmod(self.path / name, self._target(name).stat().st_mode & 0o777)
                    disk.rename(self.path / name, self._target(name))
            disk.settle(self._target(targets["first"]).parent)
            if targets["receipt"]:
                self._renew(targets["receipt"], receipt)
            self.discard()
        except OSError as error:
            raise unwritable(self.output, error) from None
        return receipt

    def discard(self) -> None:
        """Remove the copies; what makes them a retry goes first. Raises `OSError`."""
        disk.remove(self.path / _TARGETS)
        shutil.rmtree(self.path, ignore_errors=True)

    def _renew(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Write the receipt of the crawl as it is now; it remains that of its list and options."""
        names = ("read", "found", "repeats", "records", "outcomes", "ended")
        value = {**before, **{name: now[name] for name in names if name in now}}
        if self._place.is_file():
            value |= {"bytes": now["bytes"], "sha256": now["sha256"]}
        else:
            value |= digest_of(self._place / name for name in before.get("parts", ()))
        disk.replace(self.receipt, indented(value))
        disk.settle(self.receipt.parent)

    def _target(self, name: str) -> Path:
        return self._place / name if self._place.is_dir() else self._place

    def _targets(self) -> dict[str, Any]:
        return read_object(self.path / _TARGETS)


class Copying:
    """Copies files without the records to be replaced, whose URLs a new journal has waiting."""

    def __init__(
        self,
        reopening: Reopening,
        building: Path,
        requests: RetriedRequests,
        config: CommandConfig,
    ) -> None:
        self._requests = requests
        self._earlier = reopening.earlier()
        self._building = building
        self._all = parts_of(reopening.output)
        self._config = config
        following = config.following
        self._given = frozenset(self._earlier.get("options", {}).get("sitemap", ()))
        self._follows = following.follow
        self._finds = following.follow or bool(self._earlier.get("found"))
        self._tracking = Tracking(following.drop_params)
        self._scope = Scope(following.scope, suffixes=PublicSuffixes())
        self._origins = FingerprintSet()  # of the list's URLs, where credentials may go
        self._sitemaps = FingerprintSet()
        self._outcomes: Counter[str] = Counter()
        self._kept = self._failed = 0
        self._told = 0

    def copy(self, parts: Mapping[str, int]) -> None:
        """Copy the files. Raises `OSError` and `EnvironmentFailure`."""
        copies = [self._building / os.path.basename(part) for part in parts]
        sizes = [self._copied(*pair) for pair in zip(parts, copies, strict=True)]
        repeats, found = self._earlier.get("repeats", 0), self._earlier.get("found", 0)
        # The counts of the crawl that goes on are those of the whole output.
        for part in self._all:
            if part not in parts:
                self._count(part)
        read = self._kept + sum(parts.values()) + repeats - found
        marks = Marks(
            output=sizes[0],
            read=read,
            repeats=repeats,
            found=found,
            taken=found,
            records=self._kept,
            failed=self._failed,
            outcomes=dict(self._outcomes),
        )
        folder = StateFolder(str(copies[0]), given=self._config.given())
        journal = Journal(folder, self._config.lasting(), marks)
        with closing(journal):
            for part in self._all if self._finds else parts:
                for line in written_lines(part):
                    self._tell(journal, written_record(part, line), sizes[0])
            for request in self._requests.requests():
                journal.waits(request)
                self._pace(journal, sizes[0])
            journal.publish()
            journal.commit((), sizes[0])

    def _copied(self, part: str, copy: Path) -> int:
        """Copy what stays of a file; return the size of the copy."""
        outlet = Outlet(str(copy), apart=True)
        with closing(outlet):
            group: list[bytes] = []
            size = 0
            for line in written_lines(part):
                record = written_record(part, line)
                if self._requests.takes(record):
                    continue
                self._keep(record)
                group.append(line)
                size += len(line)
                if size >= _GROUP:
                    outlet.write(b"".join(group))
                    group, size = [], 0
            if group:
                outlet.write(b"".join(group))
            outlet.end()
            outlet.settle(os.fsync)
            return outlet.written

    def _count(self, part: str) -> None:
        """Count the records of a file that stays as it is."""
        for line in written_lines(part):
            self._keep(written_record(part, line))

    def _keep(self, record: WrittenRecord) -> None:
        self._kept += 1
        self._failed += record.outcome == "failed"
        self._outcomes[record.word] += 1

    def _tell(self, journal: Journal, record: WrittenRecord, output: int) -> None:
        """Tell the journal of a record: its URL was seen, and waits if it is to be replaced."""
        url = parse(record.url or "")
        if isinstance(url, InvalidUrl):
            return
        for seen in (url, *self._led_to(record)) if self._finds else ():
            journal.seen(self._key(seen, record if seen is url else None))
            if record.found_on is None and self._follows and self._scope.add_seed(seen):
                journal.widened(seen)
        if record.found_on is None:
            self._origins.add(fingerprint(url.host_key))
        if record.outcome == "sitemap":
            self._sitemaps.add(url.fingerprint)
        if record.method is None and self._requests.takes(record):
            journal.waits(self._request(url, record))
        self._pace(journal, output)

    def _pace(self, journal: Journal, output: int) -> None:
        """Commit now and then."""
        self._told += 1
        if self._told % _PORTION == 0:
            journal.publish()
            journal.commit((), output)

    def _led_to(self, record: WrittenRecord) -> Iterator[Url]:
        """Yield where redirects led; a crawl that follows links has taken it up."""
        if self._follows and record.final_url and record.final_url != record.url:
            for text in (*(hop.url for hop in record.redirects), record.final_url):
                if not isinstance(url := parse(text), InvalidUrl):
                    yield url

    def _key(self, url: Url, record: WrittenRecord | None) -> int:
        """Return the fingerprint by which `crawler.core.discovery.Discovery` knows a URL.

        record: that of the URL itself, as opposed to one that its redirects led to.
        """
        if record is not None and (mark := record_mark(record)):
            return fingerprint(f"{mark}{equivalent(url.href)}")
        if not self._follows:
            return url.fingerprint
        return fingerprint(canonical(url, self._tracking))

    def _request(self, url: Url, record: WrittenRecord) -> Request:
        return Request(
            url=url,
            seed=url.href,
            input=record.input or url.href,
            depth=record.depth,
            found_on=record.found_on or "",
            source=bytes(record.source),
            purpose=Purpose.SITEMAP if self._is_sitemap(url, record) else Purpose.PAGE,
            origin=self._origin(record.found_on),
        )

    def _is_sitemap(self, url: Url, record: WrittenRecord) -> bool:
        """Tell whether a URL was to be read as a sitemap, which its record does not say.

        Sitemaps are named by an option, by robots.txt, or by other sitemaps, whose pages have the
        depth of the list.
        """
        if record.found_on is None:
            return url.href in self._given
        by = parse(record.found_on)
        named = record.found_on.endswith("/robots.txt")
        listed = not isinstance(by, InvalidUrl) and by.fingerprint in self._sitemaps
        return record.depth > 0 and (named or listed)

    def _origin(self, found_on: str | None) -> str:
        """Return where credentials for a found URL may go: if unknown, nowhere."""
        if found_on is None:
            return ""
        by = parse(found_on)
        known = not isinstance(by, InvalidUrl) and fingerprint(by.host_key) in self._origins
        return by.host_key if known and isinstance(by, Url) else "unknown"


def _records_of(part: str) -> Iterator[WrittenRecord]:
    for line in written_lines(part):
        record = written_record(part, line)
        if record.kind is UNSET or record.url is None:
            raise ConfigurationError(
                f"{part}: its records lack url or kind, which --fields has left out"
            )
        yield record


def _identity(path: Path) -> list[int]:
    """Return what changes if another program writes or replaces a file."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return []
    return [state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns]
