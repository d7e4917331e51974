"""The set of fingerprints agrees with a set of integers, in a fraction of its memory."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from crawler.core.seen import FingerprintSet

U64 = st.integers(0, 2**64 - 1)


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
    """Fingerprints that fall into one shard and one first slot are all found again."""
    alike = [(n << 40) | (5 << 12) | 7 for n in range(1, 200)]
    seen = FingerprintSet()
    assert all(seen.add(fingerprint) for fingerprint in alike)
    assert not any(seen.add(fingerprint) for fingerprint in alike)


def test_memory_stays_small() -> None:
    """A hundred thousand fingerprints take less than 24 bytes each, apart from a fixed start."""
    random_bits = random.Random(1)
    seen = FingerprintSet()
    for _ in range(300_000):
        seen.add(random_bits.getrandbits(64))
    slots = sum(len(shard) for shard in seen._shards)
    assert slots * 8 < 24 * 300_000
