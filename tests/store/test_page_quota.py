"""The quota of `--max-pages`: claims of several partitions, durable before they are used."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from crawler.store.journal import disk
from crawler.store.journal.page_quota import PageQuota

MOST = 100


def test_claims_together_never_exceed_the_limit(tmp_path: Path) -> None:
    """However the partitions take turns, and all of it can be claimed by who still needs it."""
    place, taken = tmp_path / "pages", [0, 0]
    quotas = [PageQuota(place, number, 2, MOST) for number in range(2)]
    for turn in range(3 * MOST):
        own = turn % 3 % 2  # one of them is faster
        taken[own] = quotas[own].allow(taken[own])
        assert sum(taken) <= MOST
    assert sum(taken) == MOST


def test_what_was_claimed_and_not_used_is_given_back(tmp_path: Path) -> None:
    """The next call of another partition may have it."""
    place = tmp_path / "pages"
    first = PageQuota(place, 0, 2, MOST)
    assert first.allow(0) > 0
    first.give_back(0)
    other, taken = PageQuota(place, 1, 2, MOST), 0
    while (allowed := other.allow(taken)) > taken:
        taken = allowed
    assert taken == MOST


@pytest.mark.parametrize("torn", [1, 8, 15])
def test_a_claim_that_was_torn_by_a_kill_never_counts(tmp_path: Path, torn: int) -> None:
    """It is cut off, and later claims are whole."""
    place = tmp_path / "pages"
    claimed = PageQuota(place, 0, 2, MOST).allow(0)
    whole = place.read_bytes()
    place.write_bytes(whole + whole[:torn])
    again = PageQuota(place, 0, 2, MOST)
    assert again.allow(0) == claimed
    assert again.allow(claimed) == 2 * claimed
    assert PageQuota(place, 0, 2, MOST).allow(claimed) == 2 * claimed


def test_a_claim_is_made_under_a_lock_and_durable_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other process claims meanwhile, and a power cut takes no claim back."""
    place = tmp_path / "pages"
    synced: dict[str, int] = {}
    write = disk.write

    def locked_write(number: int, data: bytes) -> None:
        with place.open("rb") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        write(number, data)

    def sync(number: int) -> None:
        synced[os.readlink(f"/proc/self/fd/{number}")] = os.fstat(number).st_size

    monkeypatch.setattr(disk, "write", locked_write)
    monkeypatch.setattr(os, "fsync", sync)
    assert PageQuota(place, 0, 2, MOST).allow(0) > 0
    assert synced[str(place)] == place.stat().st_size > 0
    assert str(tmp_path) in synced
