"""The state of a crawl on disk: a folder next to its output, and a receipt in its place at the end.

    OUT.state/run.json    format version, the options that a later run has to share, and the inputs
    OUT.state/journal     frames (`crawler.store.journal.frame`)
    OUT.state/seen        fingerprints of all URLs that were taken up, 8 bytes each
    OUT.state/tables      traps and signatures of pages (`crawler.store.journal.tables_file`)
    OUT.state/sent        which requests have left that must not be repeated (`sent_notes`)
    OUT.state/input       a copy of standard input (`crawler.store.input_copy`)
    OUT.state/list-*      copies of queries and objects (`crawler.store.remote_input`)
    OUT.state/since       the pages of an earlier output (`crawler.store.former_pages`)
    OUT.state/parsing     which pages are being parsed (`crawler.workers.suspects`)
    OUT.state/status.json what the crawl is doing (`crawler.store.journal.status_file`)
    OUT.receipt.json      what a crawl that ended has done: the proof that nothing was lost

The folder is made with the first commit, so a run that fails before it has anything to keep leaves
nothing behind. The lock on the output (`crawler.store.claim`) is the lock on its state.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.store.journal import disk
from crawler.store.journal.frame import Damaged, Frame, Marks, frames, packed
from crawler.store.object_store import is_object, place_of
from crawler.store.receipt_file import indented
from crawler.store.remote_input import remove_copies

SENT = "sent"
"""The file of the requests that have left (`crawler.store.journal.sent_notes`)."""
SUSPECTS = "parsing"
"""The file of the pages that were being parsed (`crawler.workers.suspects`)."""
LOCK = "lock"
"""The file that the parent of partitions locks (`crawler.store.run_folder`)."""
FORMAT = 2
"""The format that is written. Format 1 is read, and goes with the first base written in its place.
"""

_KEY = 8  # bytes of a fingerprint
_KEYS_READ = 65_536  # at once


class StateFolder:
    """The paths of one crawl's state. Nothing is opened or made before it is needed.

    given: the options that the crawl was given, for `crawler retry`.
    """

    def __init__(
        self, output: str, state: str = "", *, given: Mapping[str, Any] | None = None
    ) -> None:
        self.given = given or {}
        self.place = place = place_of(output)
        self._named = bool(state)
        self.output = output
        self.label = output  # what the crawl is for a person
        self.rounds = 0  # the last whose records are in files of its own
        self.path = Path(state or f"{place}.state")
        beside = self.path.resolve() if is_object(place) else place  # in a store: that of the state
        self.receipt = Path(f"{beside}.receipt.json")

    def __repr__(self) -> str:
        return f"StateFolder({str(self.path)!r})"

    @property
    def begun(self) -> bool:
        """True if an earlier run has left a state to continue from."""
        return (self.path / "journal").exists()

    def run(self) -> dict[str, Any]:
        """Return what `run.json` says. Raises `ConfigurationError`."""
        try:
            run = orjson.loads((self.path / "run.json").read_bytes())
            version, _ = run["format"], run["options"]
        except (OSError, ValueError, KeyError) as error:
            raise self.damaged(f"run.json: {error}") from None
        if version > FORMAT:
            raise ConfigurationError(f"{self.path}: was written by a newer crawler; use that one")
        if self._named and run.get("output") != self.place:
            raise ConfigurationError(
                f"state: {self.path} belongs to {run.get('output')}; name another directory"
            )
        return dict(run)

    def check(self) -> None:
        """Raise `ConfigurationError` where no state can be made: better now than in an hour."""
        for place in (self.path, self.path.parent):
            if place.exists():
                if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
                    return
                break
        problem = "is not a directory that can be written" if place.exists() else "does not exist"
        raise ConfigurationError(
            f"state: {place} {problem}; name another place with --state DIR, or say --state none"
        )

    def begin(
        self, options: Mapping[str, Any], marks: Marks, inputs: Sequence[Mapping[str, Any]] = ()
    ) -> BinaryIO:
        """Make the folder and return its journal, for writing; an older state is gone.

        Raises `OSError`.
        """
        disk.remove(self.receipt)
        for last in (False, False, True):
            disk.make_folder(self.path)
            try:
                for name in ("journal", "status.json", "input", "tables", SENT):
                    disk.remove(self.path / name)
                self.describe(options, inputs)
            except FileNotFoundError:  # others leave the folder at a crawl's end, while it is empty
                if last:
                    raise
            else:
                break
        disk.replace(self.path / "seen", b"")
        disk.settle(self.path.parent)
        return self.rebase([packed(Frame(marks=marks))])

    def describe(self, options: Mapping[str, Any], inputs: Sequence[Mapping[str, Any]]) -> None:
        """Write `run.json`. Raises `OSError`."""
        run = {
            "format": FORMAT,
            "output": self.place,
            "options": dict(options),
            "inputs": list(map(dict, inputs)),
            "given": dict(self.given),
        }
        disk.replace(self.path / "run.json", indented(run))

    def seen(self) -> BinaryIO:
        """Open the file of fingerprints, to be added to."""
        return (self.path / "seen").open("ab", buffering=0)

    def journal(self) -> BinaryIO:
        """Open the journal, to be read. Raises `EnvironmentFailure`."""
        try:
            return (self.path / "journal").open("rb")
        except OSError as error:
            raise EnvironmentFailure(f"{self.path}: cannot be read: {error.strerror}") from None

    def frames(self) -> Iterator[Frame]:
        """Yield what the journal holds. Raises `ConfigurationError` if it is damaged."""
        with self.journal() as file, self.intact():
            yield from frames(file)

    @contextmanager
    def intact(self) -> Iterator[None]:
        """Raise `ConfigurationError` for a journal that is damaged."""
        try:
            yield
        except Damaged as error:
            raise self.damaged(f"journal: {error}") from None

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raise `EnvironmentFailure` in place of an `OSError`."""
        try:
            yield
        except OSError as error:
            raise EnvironmentFailure(
                f"{self.path}: cannot be written: {error.strerror}; make room, and run the same "
                "command again"
            ) from None

    def fingerprints(self, length: int) -> Iterator[array[int]]:
        """Yield what the first `length` bytes hold, in blocks, and cut off what follows."""
        path = self.path / "seen"
        if path.stat().st_size < length:
            raise self.damaged(f"seen: is shorter than the {length:,} bytes that were written")
        disk.truncate(path, length)
        with path.open("rb") as file:
            for left in range(length // _KEY, 0, -_KEYS_READ):
                keys = array("Q")
                keys.fromfile(file, min(left, _KEYS_READ))
                yield keys

    def settle(self, sync: Callable[[int], None]) -> None:
        """Make durable with `sync` what a base counts, whichever way it was written.

        Raises `OSError`.
        """
        named = (self.path / name for name in ("seen", "input", SENT))
        for path in (*named, *self.path.glob("handed.*")):
            if path.exists():
                with path.open("rb") as file:
                    sync(file.fileno())

    def draft(self, frames: Iterable[bytes]) -> None:
        """Write a new journal next to the present one, which counts until `adopt`.

        Raises `OSError`.
        """
        with (self.path / "journal.new").open("wb", buffering=0) as file:
            for each in frames:
                disk.write(file.fileno(), each)
            os.fsync(file.fileno())

    def adopt(self) -> BinaryIO:
        """Put the new journal in the place of the other; return it, for writing.

        Raises `OSError`.
        """
        disk.rename(self.path / "journal.new", self.path / "journal")
        disk.settle(self.path)
        return (self.path / "journal").open("ab", buffering=0)

    def reopen(self, length: int) -> BinaryIO:
        """Cut the journal behind its last whole frame; return it, durable, for writing.

        Raises `OSError`.
        """
        disk.remove(self.path / "journal.new")  # of a run that was killed as it wrote a new one
        file = (self.path / "journal").open("ab", buffering=0)
        if os.fstat(file.fileno()).st_size > length:
            disk.truncate(file.fileno(), length)
        os.fsync(file.fileno())
        disk.settle(self.path)
        return file

    def rebase(self, frames: Iterable[bytes]) -> BinaryIO:
        """Replace the journal as a whole; return the new one, for writing. Raises `OSError`."""
        self.draft(frames)
        return self.adopt()

    def finish(self, receipt: Mapping[str, Any]) -> None:
        """Put the receipt in the place of the state. Raises `OSError`."""
        disk.replace(self.receipt, indented(receipt))
        disk.settle(self.receipt.parent)
        self.discard()

    def discard(self) -> None:
        """Remove the state, as far as it is ours; the journal first, without which it is none."""
        names = ("journal", "seen", "tables", "input", "since", SENT, SUSPECTS)
        for name in (*names, "run.json", "status.json", LOCK):
            disk.remove(self.path / name)
            disk.remove(self.path / f"{name}.new")
        remove_copies(self.path)
        with suppress(OSError):  # somebody else has put something there
            self.path.rmdir()

    def damaged(self, what: str) -> ConfigurationError:
        """Return the error for a state that cannot be gone on with."""
        return ConfigurationError(
            f"{self.path} is damaged: {what}; nothing was changed. --overwrite starts over, and "
            f"the records in {self.output} are valid"
        )
