"""What one visit makes possible starts at once, however much it is."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from crawler.model.outcome import Page
from crawler.model.url import Seed
from tests.engine.harness import ENGINES, ListSource, Run
from tests.patience import PATIENCE

pytestmark = pytest.mark.parametrize("kind", ENGINES)


class OpenSource(ListSource):
    """A list that does not end before `ended` is set: its end would wake the engine."""

    def __init__(self, urls: list[str]) -> None:
        super().__init__(urls, portion=len(urls))
        self.ended = threading.Event()

    def read(self, most: int) -> list[Seed]:
        seeds = super().read(most)
        if not seeds:
            self.ended.wait(PATIENCE)
        return seeds


def at_once(kind: str, urls: list[str], count: int, **options: Any) -> None:
    """Wait until `count` fetches are being held together, and let them go on."""
    source = OpenSource(urls)
    run = Run(kind, source, **options)
    try:
        for _ in range(count):
            assert run.web.held.acquire(timeout=PATIENCE), f"too few in flight: {run.core!r}"
    finally:
        source.ended.set()
        run.web.release()
        finals = run.end()
    assert all(isinstance(final, Page) for final in finals)


def test_once_the_rules_are_known_all_slots_start(kind: str) -> None:
    """After robots.txt four pages are asked for together, not one after another."""
    urls = [f"http://a.example/held{n}" for n in range(4)]
    at_once(kind, urls, 4, robots="obey", per_host=4)


def test_a_host_that_bears_more_is_asked_for_more(kind: str) -> None:
    """One answer widens a host from 4 to 5: two requests follow it, while three are held."""
    urls = ["http://a.example/1", *(f"http://a.example/held{n}" for n in range(8))]
    at_once(kind, urls, 5, per_host=8)
