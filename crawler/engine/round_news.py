"""What rounds that run have for each other: the driver tells it, as it looks at their heartbeats.

    news    by partition, what it has handed over so far, and that others may still have to read

A plan lists what was handed over before its round. Where a later attempt finds all that one before
it has committed (`RoundPlace.shows_attempts`), what an attempt has committed stays as it is, too,
and may be read before there is a manifest. So it is as on one machine: partitions that follow links
take what others find while they run, and one without work waits for more.

What was offered by an attempt that had no successor after that was read is in every successor's
state, as that one copies it after it was created.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from crawler.engine.partition_plan import Manifest, Wish, all_done
from crawler.engine.round_handle import RoundHandle, offers_of
from crawler.engine.round_state import NEWS, Chunk, Offer
from crawler.store.round_place import RoundPlace


class RoundNews:
    """What the driver of rounds tells those that run."""

    def __init__(self, place: RoundPlace) -> None:
        self._place = place
        self._told = b""
        self._before: list[Manifest] = []

    def __repr__(self) -> str:
        return f"RoundNews({self._told!r})"

    def tell(self, handles: Sequence[RoundHandle]) -> None:
        """Write what is handed over and not read by all. Raises what a place does."""
        news = msgspec.json.encode({each.number: offer for each, offer in offers_of(handles)})
        if news != self._told:
            self._place.write(NEWS, news)
            self._told = news

    def wish(self, handles: Sequence[RoundHandle], waiting: bool) -> Wish:
        """Return whether rounds without work end: as all is done, or others wait for workers."""
        now = [each.live.progress if each.live else each.progress for each in handles]
        before, self._before = self._before, now
        running = any(each.attempts for each in handles)
        over = waiting or not running or all_done(before, now)
        return Wish.FINISH if over else Wish.GO_ON


def live_offer(place: RoundPlace, handle: RoundHandle, attempt: int) -> Offer | None:
    """Return what an attempt that runs has handed over in this round; None if none may be read."""
    work = f"{handle.folder}/a{attempt}/p{handle.number}"
    data = place.read(f"{work}/offer")
    names = place.names(work)  # after the offer: every piece of it is there
    if data is None or place.read(f"{handle.folder}/attempt-{attempt + 1}") is not None:
        return None
    handed: int = msgspec.json.decode(data)["handed"]
    starts = sorted(int(name.partition(".")[2]) for name in names if name.startswith("handed."))
    ends = pairwise([*(start for start in starts if start < handed), handed])
    return handed, tuple(
        Chunk(name=f"{work}/handed.{start}", start=start, size=end - start) for start, end in ends
    )
