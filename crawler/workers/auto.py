"""Choose where each page is parsed under `--parse auto`, from measured costs.

Parsing inline occupies the event loop for as long as it takes; handing over costs about the same
for any page. So a page goes to the pool when parsing it is estimated to cost more. Starting a pool
(an interpreter that imports the parser) pays off only once enough such pages have come.
"""

from __future__ import annotations

from enum import Enum

START_WORTH = 0.02
"""Seconds of loop time that a pool could have saved before it is started.

Starting it takes some 0.2 s of another core.
"""

LONGEST_INLINE = 0.004
"""Maximum seconds for a page on the loop, which holds up all transfers meanwhile."""

_HAND_OVER = 30e-6  # seconds for a small page in a batch of 16, until it is measured
_PER_BYTE = 6e-9  # seconds, until it is measured: 0.5 ms for 82 KB
_PER_PAGE = 10e-6  # seconds that even an empty page takes
_WEIGHT = 0.05  # of one page in the running mean: about the last 20 pages count
_OUTLIER = 3.0  # times the mean; the first page takes far longer and is not typical
_HAND_OVER_WEIGHT = 0.3  # of one measurement over some hundred pages
_FADING = 0.001  # per page, towards the default: a hand-over that was expensive is tried again


class ParsePlace(Enum):
    """The place to parse a page."""

    HERE = "here"  # now, in the caller
    POOL = "pool"  # in a worker
    ASIDE = "aside"  # in a thread: too long for the loop, and no pool has started yet


class Chooser:
    """Learns what parsing and handing over cost, and chooses the cheaper for each page.

    `isolate` sends every page to the pool, as a user's parser may hang or crash.
    """

    def __init__(self, *, isolate: bool = False) -> None:
        self.hand_over = _HAND_OVER
        self.pool_ready = False
        self._isolate = isolate
        self._per_byte = _PER_BYTE
        self._saved = 0.0

    def place(self, size: int) -> ParsePlace:
        """Return the best place to parse a body of `size` bytes."""
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
        """True once a pool would have saved enough to be worth starting."""
        return self._isolate or self._saved > START_WORTH

    def estimate(self, size: int) -> float:
        """Return the seconds that parsing `size` bytes is expected to take."""
        return _PER_PAGE + self._per_byte * size

    def observe(self, size: int, seconds: float) -> None:
        """Learn from the time one body took; small ones say nothing about the cost per byte."""
        if size >= 1_000:
            sample = max(seconds - _PER_PAGE, 0.0) / size
            sample = min(sample, _OUTLIER * self._per_byte)
            self._per_byte += _WEIGHT * (sample - self._per_byte)

    def observe_hand_over(self, seconds: float) -> None:
        """Learn from the measured seconds per page of handing pages over."""
        self.hand_over += _HAND_OVER_WEIGHT * (seconds - self.hand_over)

    def threshold(self) -> int:
        """Return the size in bytes above which a page is handed over."""
        return int(max(self.hand_over - _PER_PAGE, 0.0) / max(self._per_byte, 1e-12))
