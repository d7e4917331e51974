"""Judge the pages on a broken lane: pure bookkeeping, no thread and no clock.

A `BatchOrder` holds the pages of one `submit` and a future with one result for each. Its pages
travel in `Batch`es: at first all in one, after a break in any grouping. Each page's result is set
once, and the future ends with the last of them, so no page is lost or recorded twice.

A lane breaks because its worker died, or because the pool killed it over a page that hung. Then:

- The page that hung (marked both before and after the kill) has failed: PARSE_TIMEOUT.
- The page being parsed when the worker died is *suspected*: SIGKILL may have come from outside. It
  runs once more, alone. If a second worker dies while parsing it, it has failed: PARSE_CRASH.
  What ends several workers at once is one event: a suspect that was sent to a worker that was dead
  already, started before the suspicion and not seen parsing it, is not held against it.
- If no page was marked (the worker died between pages, while sending its results), the batch at
  the head of the lane is split into single pages; a single page is suspected.
- A page that hit the memory limit, or whose answer is malformed, is suspected likewise: an earlier
  page may have taken the memory or left the worker in disorder. A batch of several runs again page
  by page. The second time, the page has failed: PARSE.
- All others run again.

Every break fails a page, suspects one for the first time, or splits a batch, so this ends: k guilty
pages cause at most 3k breaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from crawler.model.outcome import Kind, Parsed, ParseFault
from crawler.workers.work import Packed


class LaneProgress(NamedTuple):
    """The page being parsed: its batch's serial, its index there, the monotonic time it began."""

    serial: int
    page: int
    since: float


_CRASH = ParseFault(kind=Kind.PARSE_CRASH, reason="the parser ended its worker, twice")


class BatchOrder:
    """Submitted pages, their results so far, and a future for all of them."""

    __slots__ = ("future", "missing", "pages", "results", "suspects")

    def __init__(self, pages: Sequence[Packed]) -> None:
        self.pages = pages
        self.future: Future[list[Parsed]] = Future()
        self.results: list[Parsed | None] = [None] * len(pages)
        self.missing = len(pages)
        self.suspects: dict[int, int] = {}  # when each was suspected, as a number of breaks

    def record(self, index: int, result: Parsed) -> bool:
        """Set a page's result, the first time only; return True if it was the last one missing."""
        if self.results[index] is not None:
            return False
        self.results[index] = result
        self.missing -= 1
        return self.missing == 0

    def resolve(self) -> None:
        """Complete the future. Call this without a lock, as callbacks run here."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_result([result for result in self.results if result is not None])


class Batch(NamedTuple):
    """Some pages of one order, by their index in it."""

    order: BatchOrder
    picks: Sequence[int]

    def pages(self) -> list[Packed]:
        """Return the pages as they are handed over."""
        return [self.order.pages[index] for index in self.picks]

    def singles(self) -> list[Batch]:
        """Return one batch for each page."""
        return [Batch(self.order, (index,)) for index in self.picks]


class PageResult(NamedTuple):
    """The result of a page of an order."""

    order: BatchOrder
    page: int
    parsed: Parsed


class Break(NamedTuple):
    """Break `number` of a pool; its lane was started after the first `before` of them."""

    number: int
    before: int


class Ruling(NamedTuple):
    """The result of judging a broken lane; `again` goes to the head of the queue, in this order."""

    failed: list[PageResult]
    again: list[Batch]


def rule(
    outstanding: Mapping[int, Batch],
    at_work: LaneProgress | None,
    hung: ParseFault | None,
    broken: Break,
) -> Ruling:
    """Judge the batches on a broken lane, by serial in order of submission.

    `at_work` is the page marked after the worker's end; `hung` is its fault if the worker was
    killed over it, None if the worker died by itself.
    """
    return _judged(outstanding, _culprit(outstanding, at_work), hung, _CRASH, broken)


def unfit(outstanding: Mapping[int, Batch], serial: int, reason: str, broken: Break) -> Ruling:
    """Judge the batches on a lane whose worker is unusable after the batch `serial`."""
    fault = ParseFault(kind=Kind.PARSE, reason=reason)
    culprit = _head(outstanding, serial)._replace(begun=True)
    return _judged(outstanding, culprit, None, fault, broken)


def _judged(
    outstanding: Mapping[int, Batch],
    culprit: _Culprit | None,
    certain: ParseFault | None,
    repeated: ParseFault,
    broken: Break,
) -> Ruling:
    """Fail the culprit: at once if that is `certain`, otherwise if it was suspected before."""
    failed: list[PageResult] = []
    again: list[Batch] = []
    for serial, batch in outstanding.items():
        if culprit is None or serial != culprit.serial:
            again.append(batch)
            continue
        position = culprit.position
        if position is None:  # any page of this batch may be guilty
            again.extend(batch.singles())
            continue
        order, index = batch.order, batch.picks[position]
        rest = [pick for pick in batch.picks if pick != index]
        if rest:  # the innocent pages first, as the suspect runs alone
            again.append(Batch(order, rest))
        since = order.suspects.get(index)
        if certain or (since is not None and (culprit.begun or since <= broken.before)):
            failed.append(PageResult(order, index, certain or repeated))
        else:
            order.suspects.setdefault(index, broken.number)
            again.append(Batch(order, (index,)))
    return Ruling(failed, again)


class _Culprit(NamedTuple):
    """The page to blame: without position any of the batch; `begun` if it was being parsed."""

    serial: int
    position: int | None
    begun: bool = False


def _culprit(outstanding: Mapping[int, Batch], at_work: LaneProgress | None) -> _Culprit | None:
    """Return the page to blame for the end of a worker, None if it had none."""
    if not outstanding:
        return None
    batch = outstanding.get(at_work.serial) if at_work is not None else None
    if at_work is not None and batch is not None and at_work.page < len(batch.picks):
        return _Culprit(at_work.serial, at_work.page, begun=True)
    return _head(outstanding, next(iter(outstanding)))


def _head(outstanding: Mapping[int, Batch], serial: int) -> _Culprit:
    alone = serial in outstanding and len(outstanding[serial].picks) == 1
    return _Culprit(serial, 0 if alone else None)
