"""How much at once a slow machine is asked for, by looks that are fed."""

from __future__ import annotations

from crawler.core.capacity import Capacity


def looks(capacity: Capacity, late: float, seconds: float, now: float) -> float:
    """Look every 10 ms, each so late, for some seconds; returns the time after that."""
    end = now + seconds
    while now < end:
        now += 0.01 + late
        capacity.look(late, now)
    return now


def test_lag_lowers_and_its_end_raises() -> None:
    """While everything is late fewer are started, by and by one; later as many as before."""
    capacity = Capacity(256)
    now = looks(capacity, 0.3, 20.0, 0.0)
    assert capacity.limit < 256 // 8
    now = looks(capacity, 0.3, 60.0, now)
    assert capacity.limit == capacity.lowest == 1
    now = looks(capacity, 0.0, 120.0, now)
    assert (capacity.limit, capacity.lowest) == (256, 1)


def test_a_little_lag_changes_nothing() -> None:
    """Below a quarter of a second, and for one pause of a minute, all may go on."""
    capacity = Capacity(256)
    now = looks(capacity, 0.2, 30.0, 0.0)
    capacity.look(60.0, now + 60.0)
    capacity.look(59.0, now + 60.5)  # another thread, of the same pause
    assert capacity.stood_still == 60.5
    looks(capacity, 0.0, 30.0, now + 60.5)
    assert (capacity.limit, capacity.lowest) == (256, 256)
    assert (capacity.stood_still, capacity.still_at) == (60.5, now + 60.5)
