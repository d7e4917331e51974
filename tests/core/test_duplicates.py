"""The index finds what an exhaustive search finds, in flat memory."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.duplicates import MOST, NearDuplicates

U64 = st.integers(1, 2**64 - 1)


def flipped(number: int, bits: set[int]) -> int:
    for bit in bits:
        number ^= 1 << bit
    return number


@pytest.mark.slow
@given(U64, st.sets(st.integers(0, 63), max_size=12), st.integers(0, MOST))
def test_exactly_the_distance(number: int, bits: set[int], distance: int) -> None:
    """With up to `distance` bits flipped a number is found, whichever they are; with more, not."""
    index = NearDuplicates(distance=distance)
    assert index.add(number, 17) is None
    near = len(bits) <= distance and flipped(number, bits) != 0
    assert index.add(flipped(number, bits), 18) == (17 if near else None)


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from([1 << 40, 7 << 20]), st.sets(st.integers(0, 63)))))
def test_equals_an_exhaustive_search(found: list[tuple[int, set[int]]]) -> None:
    """A page is like none exactly if no page that was kept is within the distance."""
    index = NearDuplicates()
    kept: list[int] = []
    for base, bits in found:
        number = flipped(base, bits)
        near = [k for k in kept if (k ^ number).bit_count() <= 3]
        answer = index.add(number, number)
        assert answer in near if near and number else answer is None
        if not near and number:
            kept.append(number)
    assert len(index) == len(kept)


def test_the_first_stands_for_its_cluster() -> None:
    """Every page of a cluster is given the name of the first, and takes no room."""
    index = NearDuplicates()
    assert [index.add(0xFFFF, name) for name in range(5)] == [None, 0, 0, 0, 0]
    assert len(index) == 1


def test_the_oldest_goes() -> None:
    """The last `capacity` pages are known, those before are forgotten, and memory stays."""
    numbers = [random.Random(n).getrandbits(64) for n in range(1_000)]
    index = NearDuplicates(capacity=100)
    assert all(index.add(number, n) is None for n, number in enumerate(numbers))
    assert len(index) == 100
    assert [index.add(number, 0) for number in numbers[-100:]] == list(range(900, 1_000))
    assert index.add(numbers[0], 5) is None


def test_no_text_is_like_nothing() -> None:
    """The SimHash 0 of a page of no text is never another page's duplicate."""
    index = NearDuplicates()
    assert index.add(0, 1) is None
    assert index.add(0, 2) is None
    assert index.add(1, 3) is None


def test_a_distance_that_blocks_cannot_find() -> None:
    """More than 7 bits cannot be promised, and are refused."""
    with pytest.raises(ValueError, match="0 to 7"):
        NearDuplicates(distance=8)
