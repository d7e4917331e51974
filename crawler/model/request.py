"""What the core asks an engine to fetch."""

from __future__ import annotations

from dataclasses import dataclass

from crawler.model.url import Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One redirect that was followed: the URL that answered and its status."""

    url: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request:
    """One fetch to make. It is its own identity: two requests are equal only if they are one.

    `url` is what to fetch now, `seed` the URL of the list that it is for, `input` how the list
    spelled it. `attempt` counts the attempts at this `url`, from 1; `attempts` all fetches made
    for the seed, this one included. `admitted_at` is when it joined its host's queue (again, after
    a redirect or a failed attempt), in seconds of the core's clock.
    """

    url: Url
    seed: str
    input: str
    hops: tuple[Hop, ...] = ()
    attempt: int = 1
    attempts: int = 1
    admitted_at: float = 0.0
