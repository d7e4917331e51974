"""Where a page is parsed under `--parse auto`: decided page by page, from measured costs.

Parsing a page here costs the event loop the parsing; handing it over costs the loop the hand-over,
whatever the page holds. So a page goes to the pool when its parsing is estimated to cost more. A
pool is worth its start (an interpreter that imports the parser) only when enough such pages came.

Nothing here runs anything: a `Chooser` is told costs and answers a `ParsePlace`.
"""

from __future__ import annotations

from enum import Enum

START_WORTH = 0.02
"""Seconds of loop time that a pool must have been able to save before it is started. Its start
takes some 0.2 s of another core; a list that could have saved this much so early repays it."""

LONGEST_INLINE = 0.004
"""Seconds above which a page is never parsed on the loop: all other transfers wait meanwhile."""

_HAND_OVER = 30e-6  # seconds for a small page in a batch of 16, until it is measured
_PER_BYTE = 6e-9  # seconds, until it is measured: 0.5 ms for 82 KB
_PER_PAGE = 10e-6  # seconds that even an empty page takes
_WEIGHT = 0.05  # of one page in the running mean: about the last 20 pages count
_OUTLIER = 3.0  # times the mean; the first page of all takes far longer, and says nothing
_HAND_OVER_WEIGHT = 0.3  # of one measurement over some hundred pages
_FADING = 0.001  # of what was measured, a page: what was dear once is tried again later


class ParsePlace(Enum):
    """Where to parse a page."""

    HERE = "here"  # now, by the caller
    POOL = "pool"  # by a worker
    ASIDE = "aside"  # in a thread: too long for the loop, and there is no pool yet


class Chooser:
    """Learns what parsing and handing over cost, and says where a page is parsed best.

    `isolate` sends every page to the pool: a parser of the user's own may hang or crash.
    """

    def __init__(self, *, isolate: bool = False) -> None:
        self.hand_over = _HAND_OVER
        self.pool_ready = False
        self._isolate = isolate
        self._per_byte = _PER_BYTE
        self._saved = 0.0

    def __repr__(self) -> str:
        return (
            f"Chooser({self._per_byte * 1e9:.2f} ns a byte, "
            f"hand-over {self.hand_over * 1e6:.0f} us, pool_ready={self.pool_ready})"
        )

    def place(self, size: int) -> ParsePlace:
        """Where to parse a body of `size` bytes."""
        estimate = self.estimate(size)
        if self._isolate:
            return ParsePlace.POOL
        if estimate <= self.hand_over:
            self.hand_over += _FADING * (_HAND_OVER - self.hand_over)
            return ParsePlace.HERE
        if self.pool_ready:
            return ParsePlace.POOL
        self._saved += estimate - self.hand_over
        return ParsePlace.HERE if estimate <= LONGEST_INLINE else ParsePlace.ASIDE

    @property
    def pool_wanted(self) -> bool:
        """Whether a pool would have saved enough by now to be worth its start."""
        return self._isolate or self._saved > START_WORTH

    def estimate(self, size: int) -> float:
        """Seconds that parsing `size` bytes is expected to take."""
        return _PER_PAGE + self._per_byte * size

    def observe(self, size: int, seconds: float) -> None:
        """A body of `size` bytes took so long; small ones say nothing of the cost a byte."""
        if size >= 1_000:
            sample = max(seconds - _PER_PAGE, 0.0) / size
            sample = min(sample, _OUTLIER * self._per_byte)
            self._per_byte += _WEIGHT * (sample - self._per_byte)

    def observe_hand_over(self, seconds: float) -> None:
        """Handing pages over took so long a page."""
        self.hand_over += _HAND_OVER_WEIGHT * (seconds - self.hand_over)

    def threshold(self) -> int:
        """The size in bytes above which a page is handed over."""
        return int(max(self.hand_over - _PER_PAGE, 0.0) / max(self._per_byte, 1e-12))
