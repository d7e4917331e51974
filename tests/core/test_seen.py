"""The set of fingerprints agrees with a set of integers, in a fraction of its memory."""

from __future__ import annotations

import random
from array import array
from operator import is_not
from sys import getsizeof

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.seen import FingerprintSet

U64 = st.integers(0, 2**64 - 1)


@pytest.mark.slow
@given(st.lists(st.one_of(U64, st.sampled_from([0, 1, 2**64 - 1, 4096, 8192]))))
def test_agrees_with_a_set(fingerprints: list[int]) -> None:
    """add() answers what a set would, for any sequence."""
    ours, theirs = FingerprintSet(), set[int]()
    for fingerprint in fingerprints:
        assert ours.add(fingerprint) == (fingerprint not in theirs)
        theirs.add(fingerprint)
    assert len(ours) == len(theirs)
    assert all(fingerprint in ours for fingerprint in fingerprints)


def test_colliding_fingerprints_are_kept_apart() -> None:
    """Fingerprints that fall into one bucket are all found again."""
    alike = [(n << 40) | 7 for n in range(1, 200)]
    seen = FingerprintSet()
    assert all(seen.add(fingerprint) for fingerprint in alike)
    assert not any(seen.add(fingerprint) for fingerprint in alike)


@pytest.mark.slow
def test_memory_stays_small() -> None:
    """Fingerprints take less than 16 bytes each, at whatever point of the table's growth."""
    random_bits = random.Random(1)
    seen = FingerprintSet()
    for number in range(1, 300_001):
        seen.add(random_bits.getrandbits(64))
        if number >= 50_000 and number % 25_000 == 0:
            buckets = {id(bucket): bucket for bucket in seen._buckets}.values()
            held = getsizeof(seen._buckets) + sum(map(getsizeof, buckets))
            assert held < 16 * number, number


def test_no_insertion_costs_much() -> None:
    """No single insertion touches more than the slots of one bucket, even as the table grows."""
    random_bits = random.Random(2)
    seen = FingerprintSet()
    for _ in range(4_000):
        before = list(seen._buckets)
        seen.add(random_bits.getrandbits(64))
        grown = len(seen._buckets) // len(before)
        assert 1 <= sum(map(is_not, grown * before, seen._buckets)) <= 4


@pytest.mark.slow
@given(st.sets(U64))
def test_many_at_once_are_as_if_added(fingerprints: set[int]) -> None:
    """A set made of keys at once holds these, and takes up others as if each had been added."""
    seen = FingerprintSet.of(array("Q", fingerprints))
    assert len(seen) == len(fingerprints)
    assert all(fingerprint in seen for fingerprint in fingerprints)
    assert not any(seen.add(fingerprint) for fingerprint in fingerprints)
    assert seen.add(7) == (7 not in fingerprints)
