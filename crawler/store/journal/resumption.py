"""The beginning of a crawl: a new one, one continued after an earlier run, or none if complete.

The caller has locked the output, so nobody else writes the state. Everything is checked before
anything is changed; then the output is cut to the length in the last frame. The journal goes on as
it is, without a torn frame at its end: of millions of URLs that wait, the first is fetched at once.
One that has grown, or that has to change, is replaced by a new one. A kill between two of these
steps makes the next run repeat them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Any, BinaryIO

import orjson

from crawler.core.changes import Earlier
from crawler.core.crawl_tables import CrawlTables
from crawler.core.host_state import HostState
from crawler.core.seen import FingerprintSet
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, CrawlerError, ExitCode
from crawler.model.url import Url
from crawler.model.value import value
from crawler.store.input_copy import InputCopy
from crawler.store.journal.frame import Marks, frames
from crawler.store.journal.handover import Outbox
from crawler.store.journal.host_line import host_state
from crawler.store.journal.host_lines import HostLines
from crawler.store.journal.journal import Journal, Sync, has_grown, unsynced
from crawler.store.journal.kept import Kept
from crawler.store.journal.left_lines import LeftLines
from crawler.store.journal.replay import Replay
from crawler.store.journal.state_folder import StateFolder
from crawler.store.journal.tables_file import read_tables
from crawler.store.object_store import place_of
from crawler.store.outlet import Outlet
from crawler.store.receipt_file import fitting_receipt
from crawler.store.record import encode
from crawler.store.remote_input import remove_copies
from crawler.store.rendering import Encoder, OpenedOutputs, open_outputs, targets_of
from crawler.store.shared_source import SharedSource
from crawler.store.sources import UrlSource

OutboxMaker = Callable[[Marks], Outbox | None]

WAY_ON = "--accept-change goes on all the same, --overwrite starts over"


class Complete(CrawlerError):
    """The crawl has ended before, with a record for every URL: there is nothing left to do."""

    exit_code = ExitCode.FINISHED


@value(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Outputs with their journal, and the state of earlier runs; `resumed` if there were any.

    `encoders` make the records of the outputs.
    `left` has the lines of the `waiting` URLs without a record. `cut`: the end of standard input
    was not seen yet.
    """

    kept: Kept
    encoders: tuple[Encoder, ...] = (encode,)
    earlier: Earlier = field(default_factory=Earlier)
    left: LeftLines = field(default_factory=LeftLines)
    waiting: int = 0
    resumed: bool = False
    cut: bool = False

    @property
    def news(self) -> str:
        """The state found, for a person."""
        there = f"{self.earlier.records:,} records are there, {self.waiting:,} URLs wait"
        hint = "; the end of standard input was not read: give it again" if self.cut else ""
        return f"{there}{hint}"


def open_state(
    output: str, config: CommandConfig, source: UrlSource, others: Sequence[str] = ()
) -> Beginning:
    """Open outputs and the state next to the first, or at `--state`, and begin or go on.

    Raises what `Outlet` raises, and `ConfigurationError` for a state that cannot be gone on with.
    """
    targets = targets_of([output, *others], config)
    output = targets[0].path
    folder = StateFolder(output, config.state, given=config.given())
    options = lasting_options(config, others)
    sync: Sync = os.fdatasync if config.sync == "full" else unsynced
    folder.check()
    resumed = continues(output, config)
    opened = open_outputs(targets, config, config.existing, apart=True, resumed=resumed)
    copy = InputCopy(folder.path / "input") if source.piped else None
    if not resumed or config.accept_change:  # what is there is of another crawl, or out of date
        remove_copies(folder.path)
    source.keep_copies(folder.path)
    if copy is not None:
        source.copied_to(copy)
    try:
        if resumed:
            accept = config.accept_change
            return resume(
                folder, options, opened, source, sync=sync, accept_change=accept, copy=copy
            )
        beginning = begin(folder, options, opened, sync=sync, inputs=source.inputs())
        if copy is not None:
            beginning.kept.journal.copy_input(copy)
        return beginning
    except BaseException:
        opened.close()
        raise


def lasting_options(config: CommandConfig, others: Sequence[str]) -> dict[str, Any]:
    """Return what a run has to share with the one that it continues, further outputs, too."""
    named = [place_of(name) for name in others]
    return config.lasting() | ({"outputs": named} if named else {})


def continues(output: str, config: CommandConfig) -> bool:
    """Return whether an earlier run has left a state to continue from."""
    return config.existing != "replace" and StateFolder(output, config.state).begun


def check_complete(
    output: str, config: CommandConfig, source: UrlSource, others: Sequence[str] = ()
) -> None:
    """Raise `Complete` if the receipt says so; a receipt that its output has left is ignored.

    Raises `ConfigurationError` if it is that of another list, or of other options.
    """
    folder, options = StateFolder(output, config.state), lasting_options(config, others)
    if config.existing != "refuse" or folder.begun:
        return
    if not (receipt := fitting_receipt(folder.receipt, folder.output)):
        return
    if what := changed(receipt["options"], options):
        raise ConfigurationError(
            f"{folder.output}: is complete, with {what}; --overwrite starts over"
        )
    entries = source.skip(receipt["cursor"])
    # Nothing at all on standard input says nothing of the list: `< /dev/null` asks how it is.
    if not source.silent and (entries != receipt["entries"] or source.read(1)):
        raise ConfigurationError(
            f"{folder.output}: is complete, for another list; --overwrite starts over, --append "
            "adds to it"
        )
    folder.discard()  # a run that was killed at its very end has left some of it
    raise completed(folder.output, receipt)


def completed(output: str, receipt: Mapping[str, Any]) -> Complete:
    """Return what there is to say of a crawl that has ended."""
    ended = datetime.fromtimestamp(receipt["ended"], UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Complete(
        f"{output}: complete since {ended}: {receipt['records']:,} records for "
        f"{receipt['read']:,} read; nothing to do"
    )


def no_outbox(_marks: Marks) -> None:
    """Hand nothing over."""


def begin(
    folder: StateFolder,
    options: Mapping[str, Any],
    opened: OpenedOutputs,
    *,
    sync: Sync,
    inputs: Sequence[Mapping[str, Any]] = (),
    outbox: OutboxMaker = no_outbox,
) -> Beginning:
    """Begin a new crawl; the state is created with the first commit.

    outbox: makes that of one partition among several.
    """
    output, *others = (outlet.written for outlet in opened.outlets)  # if they are added to
    marks = Marks(output=output, others=tuple(others), rounds=folder.rounds)
    journal = Journal(folder, options, marks, inputs=inputs, outbox=outbox(marks), sync=sync)
    return Beginning(kept=Kept(opened.outlets, journal, sync), encoders=opened.encoders)


def resume(
    folder: StateFolder,
    options: Mapping[str, Any],
    opened: OpenedOutputs,
    source: UrlSource | SharedSource,
    *,
    sync: Sync,
    accept_change: bool = False,
    outbox: OutboxMaker = no_outbox,
    copy: InputCopy | None = None,
) -> Beginning:
    """Continue after the last commit of an earlier run. Raises `ConfigurationError`."""
    run = folder.run()
    if (what := changed(run["options"], options)) and not accept_change:
        raise ConfigurationError(f"{folder.label}: was begun with {what}; {WAY_ON}")
    now = time.time()
    with ExitStack() as stack:
        former = stack.enter_context(folder.journal())
        with folder.intact():
            replay = Replay(former)
        marks = _after_rounds(folder, replay.marks)
        _check_sizes(folder, opened.outlets, marks)
        inputs = source.inputs()
        if copy is not None:
            _load(folder, copy, marks)
        other = source.skip(marks.cursor) != marks.entries
        renewed = copy is not None and copy.differs(accept_change=accept_change)
        if other or renewed:
            if not accept_change:
                raise ConfigurationError(
                    f"{folder.label}: the list has changed: its first {marks.cursor:,} entries "
                    f"are not those that were read{_grown(run, inputs)}; {WAY_ON}"
                )
            source.rewind()
            marks = replace(marks, cursor=0, entries=0, copied=0)
        tables = _tables(folder)
        seen = FingerprintSet.of(chain.from_iterable(folder.fingerprints(marks.seen)))
        with folder.explained():
            for outlet, length in zip(opened.outlets, marks.lengths, strict=True):
                outlet.rewind(length)
                outlet.settle(sync)  # before the journal relies on it
            folder.settle(sync)
            hosts = replay.hosts
            hosts.drop_before(now)
            describe = partial(folder.describe, options, inputs)
            if marks == replay.marks and _is_fit(replay, former):
                file, base, left = _as_it_is(folder, replay, former, describe)
                stack.pop_all()  # what is left is read from it
            else:
                file, base, left = _anew(folder, replay, marks, describe)
            with ExitStack() as failing:
                failing.callback(file.close)
                failing.callback(left.close)
                if copy is not None and renewed:
                    copy.renew()
                passed = outbox(marks)
                failing.pop_all()
    journal = Journal(folder, options, marks, file=file, base=base, outbox=passed, sync=sync)
    if copy is not None:
        journal.copy_input(copy)
    return Beginning(
        cut=copy is not None and not copy.ended,
        kept=Kept(opened.outlets, journal, sync),
        encoders=opened.encoders,
        earlier=Earlier(
            resumed=True,
            read=marks.read,
            repeats=marks.repeats,
            found=marks.found,
            records=marks.records,
            outcomes=marks.outcomes,
            failed=marks.failed,
            moved=marks.went - marks.come,
            seen=seen,
            places=[Url(href) for href in replay.places],
            taken=marks.taken,
            by_host=replay.by_host,
            tables=tables,
            hosts=lambda key: _state(hosts, key, now),
        ),
        left=left,
        waiting=replay.waiting,
        resumed=True,
    )


def _after_rounds(folder: StateFolder, marks: Marks) -> Marks:
    """Return the marks without the records of rounds that have ended."""
    if marks.rounds > folder.rounds:
        raise folder.damaged(f"round {marks.rounds} has no manifest")
    if marks.rounds == folder.rounds:
        return marks
    return replace(marks, rounds=folder.rounds, output=0, others=(0,) * len(marks.others))


def _is_fit(replay: Replay, file: BinaryIO) -> bool:
    """Tell whether a journal can go on as it is, without a new base."""
    size = os.fstat(file.fileno()).st_size
    return replay.end > 0 and not (replay.former or has_grown(size, replay.base_size))


def _as_it_is(
    folder: StateFolder, replay: Replay, file: BinaryIO, describe: Callable[[], None]
) -> tuple[BinaryIO, int, LeftLines]:
    """Continue a journal; return it, the bytes that a base would have, and the lines it leaves."""
    describe()
    return folder.reopen(replay.end), replay.base_size, LeftLines(replay.lines(), file)


def _anew(
    folder: StateFolder, replay: Replay, marks: Marks, describe: Callable[[], None]
) -> tuple[BinaryIO, int, LeftLines]:
    """Replace a journal by a base; return it, its bytes, and the lines it leaves."""
    folder.draft(replay.base(marks))
    describe()  # the format first: an older program never takes the new journal for its own
    journal, base = folder.adopt(), folder.journal()
    length = os.fstat(base.fileno()).st_size
    lines = (line for frame in frames(base, length) for line in frame.lines)
    return journal, length, LeftLines(lines, base)


def _check_sizes(folder: StateFolder, outlets: Sequence[Outlet], marks: Marks) -> None:
    if len(outlets) != len(marks.lengths):
        raise ConfigurationError(
            f"{folder.label}: was begun with {len(marks.lengths)} outputs, and not "
            f"{len(outlets)}; name the same, --overwrite starts over"
        )
    for outlet, length in zip(outlets, marks.lengths, strict=True):
        if outlet.size < length:
            raise folder.damaged(
                f"{outlet.label} has {outlet.size:,} bytes, and had {length:,} when it was kept"
            )


def _load(folder: StateFolder, copy: InputCopy, marks: Marks) -> None:
    """Take over the copy of standard input; there may be none if nothing was read of it."""
    try:
        copy.load(marks.copied)
    except FileNotFoundError:
        if marks.copied:
            raise folder.damaged("input: is not there") from None
    except ValueError as error:
        raise folder.damaged(f"input: {error}") from None


def _tables(folder: StateFolder) -> CrawlTables:
    try:
        return read_tables(folder.path)
    except ValueError as error:
        raise folder.damaged(f"tables: {error}") from None


def _state(lines: HostLines, key: str, now: float) -> HostState | None:
    """Return the state of a host, which is asked for once, as of Unix time `now`."""
    line = lines.pop(key)
    return host_state(line, now) if line is not None else None


def _grown(run: Mapping[str, Any], inputs: Sequence[Mapping[str, Any]]) -> str:
    """Return which input has another size than before, in words; "" if none has."""
    before = {each["name"]: each["size"] for each in run.get("inputs", ())}
    for each in inputs:
        size = before.get(each["name"])
        if size is not None and size != each["size"]:
            return f" ({each['name']} had {size:,} bytes and has {each['size']:,})"
    return ""


def changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return the first option that differs, in words; "" if there is none.

    An option that is newer than the state had its default; one that is gone decides nothing.
    """
    defaults = CommandConfig().lasting()
    for name, new in sorted(now.items()):
        old = before.get(name, defaults.get(name))
        if old != new:
            return f"{name} = {_shown(old)}, and not {_shown(new)}"
    return ""


def _shown(value: object) -> str:
    return orjson.dumps(value).decode()[:60]
