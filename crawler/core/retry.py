"""Retry of transient failures: exponential backoff with jitter."""

from __future__ import annotations

from collections.abc import Callable

from crawler.model.outcome import Failed
from crawler.model.value import value


@value(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The number of retries for transient failures, and the wait before each.

    The wait doubles from `backoff` to `backoff_max` seconds. Half of it is fixed and half is
    random ("equal jitter", M. Brooker, "Exponential Backoff and Jitter", AWS 2015), so clients
    that failed together do not come back together. `random` returns a float in [0, 1).
    """

    retries: int
    backoff: float
    backoff_max: float
    random: Callable[[], float]

    def allows(self, failure: Failed) -> bool:
        """Tell whether a retry is due."""
        passing = failure.kind.retryable and not (failure.hopeless or failure.sent)
        return passing and failure.request.attempt <= self.retries

    def wait(self, failure: Failed) -> float:
        """Return the seconds before the retry; the server's Retry-After counts, up to the cap."""
        doublings = min(failure.request.attempt - 1, 60)
        ceiling = min(self.backoff * 2.0**doublings, self.backoff_max)
        jittered = ceiling * (0.5 + 0.5 * self.random())
        return max(jittered, min(failure.retry_after or 0.0, self.backoff_max))
