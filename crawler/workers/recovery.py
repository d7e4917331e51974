"""What becomes of the pages on a lane that broke: pure bookkeeping, no thread and no clock.

A `BatchOrder` is what somebody waits for: some pages, and a future of one result for each. Its
pages travel in `Batch`es; at first all in one, after a break in any grouping. A page's result is
set once, and the future ends with the last of them: that is why no page is lost or recorded twice.

A lane breaks because its worker died, or because the pool killed it over a page that hung. Then:

- The page that hung (the marker named it before the kill and after) has failed: PARSE_TIMEOUT.
- A page that was at work when the worker died is *suspected*, no more: SIGKILL may have come from
  outside. It runs once more, alone. If it is at work when a second worker dies, it has failed:
  PARSE_CRASH.
- If nobody knows what was at work (the worker died between pages, while it sent its results), the
  batch at the head of the lane is split into single pages; a single page is suspected.
- A page that met the memory limit, or whose answer is not what a worker sends, is suspected like
  one that was at work when its worker died: an earlier page may have taken the memory, or have left
  the worker in disorder. In a batch of several nobody knows which it was, and they run again one by
  one. A second time, it has failed: PARSE.
- All others run again. They were at work on nothing, or waited behind the guilty one.

Every break fails a page, suspects one for the first time, or splits a batch, so this ends: with
k guilty pages after at most 3k breaks and those that came from outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from crawler.model.outcome import Kind, Parsed, ParseFault
from crawler.workers.lanes import LaneProgress
from crawler.workers.work import Packed


class BatchOrder:
    """Pages that somebody waits for, and what is known of them so far."""

    __slots__ = ("future", "missing", "pages", "results", "suspects")

    def __init__(self, pages: Sequence[Packed]) -> None:
        self.pages = pages
        self.future: Future[list[Parsed]] = Future()
        self.results: list[Parsed | None] = [None] * len(pages)
        self.missing = len(pages)
        self.suspects: set[int] = set()

    def record(self, index: int, result: Parsed) -> bool:
        """Set one page's result, the first time only; True when it was the last one missing."""
        if self.results[index] is not None:
            return False
        self.results[index] = result
        self.missing -= 1
        return self.missing == 0

    def resolve(self) -> None:
        """Tell who waits. Call it without a lock: callbacks run here."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_result([result for result in self.results if result is not None])


class Batch(NamedTuple):
    """Some pages of one order, by their index in it."""

    order: BatchOrder
    picks: Sequence[int]

    def pages(self) -> list[Packed]:
        """The pages, as they are handed over."""
        return [self.order.pages[index] for index in self.picks]

    def singles(self) -> list[Batch]:
        """One batch a page."""
        return [Batch(self.order, (index,)) for index in self.picks]


class LaneVerdict(NamedTuple):
    """A page that has failed, and why."""

    order: BatchOrder
    page: int
    fault: ParseFault


class Ruling(NamedTuple):
    """What is to be done after a break: `again` in this order, before all that waits."""

    failed: list[LaneVerdict]
    again: list[Batch]


def rule(
    outstanding: Mapping[int, Batch], at_work: LaneProgress | None, hung: ParseFault | None
) -> Ruling:
    """Judge the batches on a broken lane, by serial in the order of their submission.

    `at_work` is what the marker says after the worker's end; `hung` is the fault of that very page
    if the worker was killed over it, None if the worker died by itself.
    """
    failed: list[LaneVerdict] = []
    again: list[Batch] = []
    culprit = _culprit(outstanding, at_work)
    for serial, batch in outstanding.items():
        if culprit is None or serial != culprit[0]:
            again.append(batch)
            continue
        position = culprit[1]
        if position is None:
            again.extend(batch.singles())
            continue
        index = batch.picks[position]
        rest = [pick for pick in batch.picks if pick != index]
        if rest:
            again.append(Batch(batch.order, rest))
        if fault := hung or _crash(batch.order, index):
            failed.append(LaneVerdict(batch.order, index, fault))
        else:
            again.append(Batch(batch.order, (index,)))
    return Ruling(failed, again)


def unfit(outstanding: Mapping[int, Batch], serial: int, reason: str) -> Ruling:
    """Judge the batches on a lane whose worker the batch `serial` left fit for nothing more."""
    failed: list[LaneVerdict] = []
    again: list[Batch] = []
    for number, batch in outstanding.items():
        order, index = batch.order, batch.picks[0]
        if number != serial:
            again.append(batch)
        elif len(batch.picks) > 1:
            again.extend(batch.singles())
        elif index in order.suspects:
            failed.append(LaneVerdict(order, index, ParseFault(kind=Kind.PARSE, reason=reason)))
        else:
            order.suspects.add(index)
            again.append(batch)
    return Ruling(failed, again)


def _culprit(
    outstanding: Mapping[int, Batch], at_work: LaneProgress | None
) -> tuple[int, int | None] | None:
    """(serial, position in the batch) of the page to blame; no position: one of that batch."""
    if not outstanding:
        return None
    batch = outstanding.get(at_work.serial) if at_work is not None else None
    if at_work is not None and batch is not None and at_work.page < len(batch.picks):
        return at_work.serial, at_work.page
    head = next(iter(outstanding))
    return head, 0 if len(outstanding[head].picks) == 1 else None


def _crash(order: BatchOrder, index: int) -> ParseFault | None:
    if index not in order.suspects:
        order.suspects.add(index)
        return None
    return ParseFault(kind=Kind.PARSE_CRASH, reason="the parser ended its worker, twice")
