"""The memory of bodies in flight: who reads on, who waits, who is cut."""

from __future__ import annotations

import random
import threading

import pytest

from crawler.fetch.budget import Account, Budget
from crawler.model.request import Request

from .conftest import request


class Bodies:
    """Bodies of one budget; `heard` and `ended` by name."""

    def __init__(self, total: float, *, patience: float = 10.0) -> None:
        self.budget = Budget(total, patience=patience)
        self.now = 0.0
        self.heard: dict[str, float] = {}
        self.ended: list[str] = []
        self.requests: dict[str, Request] = {}

    def grow(self, name: str, size: int, need: int) -> Account:
        known = self.requests.setdefault(name, request(f"http://a.test/{name}"))
        self.heard.setdefault(name, self.now)

        def opened() -> Account:
            end = lambda: self.ended.append(name)  # noqa: E731
            return Account(lambda: self.heard[name], threading.Event(), end)

        return self.budget.grow(known, size, need, self.now, opened)

    def release(self, name: str) -> None:
        self.budget.release(self.requests.pop(name))


def test_what_fits_goes_on_and_the_rest_waits() -> None:
    """A body for which there is no room waits, and goes on when another's visit has ended."""
    bodies = Bodies(800_000)  # 100,000 of them are spared
    first = bodies.grow("a", 70_000, 600_000)
    second = bodies.grow("b", 70_000, 600_000)
    assert (first.waits, second.waits, bodies.budget.waiting) == (False, True, 1)
    assert not second.room.is_set()
    bodies.release("a")
    assert (second.waits, second.cut, second.room.is_set()) == (False, False, True)
    bodies.release("b")
    assert (bodies.budget.used, bodies.budget.waiting) == (0, 0)


def test_the_smallest_goes_first() -> None:
    """Room goes to who needs least, so that the largest wait longest."""
    bodies = Bodies(800_000)
    bodies.grow("a", 70_000, 600_000)
    large, small = bodies.grow("b", 70_000, 690_000), bodies.grow("c", 70_000, 200_000)
    assert large.waits
    assert small.waits
    bodies.release("a")
    assert (large.waits, small.waits) == (True, False)


def test_where_all_wait_the_largest_goes_on_and_is_cut_in_the_end() -> None:
    """No two bodies wait for each other: one uses what is spared, and is cut when that is used."""
    bodies = Bodies(800_000)
    one = bodies.grow("a", 400_000, 400_000)
    other = bodies.grow("b", 300_000, 600_000)
    assert not one.waits
    assert other.waits
    one = bodies.grow("a", 400_001, 800_000)
    assert (one.waits, one.cut, other.waits) == (False, False, True)
    one = bodies.grow("a", one.granted, 800_000)
    assert (one.waits, one.cut, other.waits) == (False, True, True)
    bodies.release("a")
    assert (other.waits, other.cut) == (False, False)


def test_who_waits_too_long_is_cut_the_largest_first() -> None:
    """After its patience a body that still waits is cut, one at a time, the smallest last."""
    bodies = Bodies(800_000)
    bodies.grow("a", 400_000, 400_000)
    small, large = bodies.grow("b", 70_000, 600_000), bodies.grow("c", 200_000, 600_000)
    bodies.budget.sweep(9.9, -1.0)
    assert not large.cut
    bodies.budget.sweep(10.0, -1.0)
    assert (large.cut, small.cut) == (True, False)
    bodies.budget.sweep(10.1, -1.0)
    assert small.cut


def test_who_stalls_is_ended_while_others_wait() -> None:
    """A body that holds memory and sends nothing is ended, if another waits for that alone."""
    bodies = Bodies(800_000)
    bodies.grow("a", 400_000, 600_000)
    bodies.budget.sweep(3.0, 1.0)
    assert bodies.ended == []
    bodies.grow("b", 70_000, 600_000)
    bodies.budget.sweep(3.0, -1.0)
    assert bodies.ended == []
    bodies.budget.sweep(3.0, 1.0)
    assert bodies.ended == ["a"]


def test_a_body_at_the_parser_has_not_stalled() -> None:
    """A body whose exchange has ended keeps its memory, and nobody ends its visit for silence."""
    bodies = Bodies(800_000)
    bodies.grow("a", 400_000, 600_000)
    bodies.budget.received(bodies.requests["a"])
    waiting = bodies.grow("b", 70_000, 600_000)
    bodies.budget.sweep(3.0, 1.0)
    assert (bodies.ended, waiting.waits) == ([], True)
    bodies.release("a")
    assert not waiting.waits


@pytest.mark.parametrize("seed", range(20))
def test_all_bodies_end_and_memory_is_kept_to(seed: int) -> None:
    """Whatever bodies come, each ends after a while, and never do they hold more than the total.

    Apart from one piece each that has come already.
    """
    dice = random.Random(seed)
    total, piece = 1_000_000, 65_536
    bodies = Bodies(total, patience=5.0)
    sizes = {str(n): dice.randrange(70_000, 900_000) for n in range(30)}
    held = dict.fromkeys(sizes, 0)
    known = {name: dice.random() < 0.5 for name in sizes}
    accounts: dict[str, Account] = {}
    for _ in range(10_000):
        if not held:
            break
        bodies.now += 0.01
        bodies.budget.sweep(bodies.now, -1.0)
        name = dice.choice(list(held))
        if name in accounts and accounts[name].waits:
            continue
        if (name in accounts and accounts[name].cut) or held[name] >= sizes[name]:
            del held[name]
            if name in accounts:
                bodies.release(name)
            continue
        if name not in accounts and bodies.budget.full:
            continue  # as a packed body does
        held[name] = min(sizes[name], held[name] + piece)
        if name not in accounts or held[name] > accounts[name].granted:
            need = sizes[name] if known[name] else min(900_000, 2 * held[name])
            accounts[name] = bodies.grow(name, held[name], need)
        assert sum(held.values()) <= total + piece * len(held)
    assert not held
    assert (bodies.budget.used, bodies.budget.waiting) == (0, 0)
