"""Back-off doubles, is capped, has jitter, and honours Retry-After."""

from __future__ import annotations

import pytest

from crawler.core.retry import RetryPolicy
from crawler.model.outcome import Failed, Kind
from crawler.model.request import Request
from crawler.model.url import Url


def failure(attempt: int, kind: Kind = Kind.CONNECT, retry_after: float | None = None) -> Failed:
    url = Url("http://a.example/")
    request = Request(url=url, seed=url.href, input=url.href, attempt=attempt, attempts=attempt)
    return Failed(request=request, kind=kind, reason="x", retry_after=retry_after)


def policy(random: float = 1.0) -> RetryPolicy:
    return RetryPolicy(retries=3, backoff=1.0, backoff_max=10.0, random=lambda: random)


def test_waits_double_up_to_the_cap() -> None:
    """1, 2, 4, 8, then the cap, with no jitter taken off."""
    assert [policy().wait(failure(n)) for n in range(1, 7)] == [1, 2, 4, 8, 10, 10]


def test_jitter_takes_off_at_most_half() -> None:
    """With the smallest random number the wait is half of the largest."""
    assert policy(0.0).wait(failure(3)) == 2.0


def test_retry_after_counts_up_to_the_cap() -> None:
    """A server's wish lengthens the wait, an absurd one does not stop the crawl."""
    assert policy().wait(failure(1, retry_after=5)) == 5
    assert policy().wait(failure(1, retry_after=1e9)) == 10


@pytest.mark.parametrize("kind", list(Kind))
def test_only_what_may_pass_is_tried_again(kind: Kind) -> None:
    """Attempts are allowed for retryable kinds alone, and `retries` of them."""
    allowed = [policy().allows(failure(n, kind)) for n in range(1, 6)]
    assert allowed == [kind.retryable] * 3 + [False] * 2


def test_a_very_late_attempt_does_not_overflow() -> None:
    """The doubling is capped before it leaves the range of a float."""
    assert policy().wait(failure(100_000)) == 10
