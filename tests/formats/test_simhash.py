"""Alike texts have numbers alike, equal texts equal ones, in every process."""

from __future__ import annotations

import random
import subprocess
import sys
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.formats import html, simhash
from crawler.formats.simhash import likeness

WORDS = [f"w{''.join(chr(97 + int(digit)) for digit in str(number))}" for number in range(2_000)]


def text(seed: int, words: int) -> list[str]:
    return random.Random(seed).choices(WORDS, k=words)


@pytest.mark.slow
@given(st.lists(st.integers(0, 2**64 - 1), max_size=300))
def test_the_majority_of_each_bit(votes: list[int]) -> None:
    """Counting in parallel equals counting bit by bit, for any number of votes."""
    wanted = sum(
        1 << bit for bit in range(64) if 2 * sum(vote >> bit & 1 for vote in votes) > len(votes)
    )
    assert simhash._majority(array("Q", votes)) == wanted


@pytest.mark.slow
def test_a_few_words_change_a_few_bits() -> None:
    """Three words changed of 2,000 flip 3 bits or fewer, mostly; other texts differ in many."""
    near, far = [], []
    for seed in range(40):
        words = text(seed, 2_000)
        first = likeness([" ".join(words)]).simhash
        for place in (100, 900, 1_700):
            words[place] = f"revised{place}"
        near.append((likeness([" ".join(words)]).simhash ^ first).bit_count())
        far.append((likeness([" ".join(text(seed + 1_000, 2_000))]).simhash ^ first).bit_count())
    assert sum(distance <= 3 for distance in near) >= 36
    assert min(far) > 15


def test_the_digest_is_exact() -> None:
    """One word, or the order of two, makes another digest; white space and pieces do not."""
    one = likeness(["a b", "c"])
    assert likeness([" a\n", "b c"]).digest == one.digest
    assert likeness(["a c b"]).digest != one.digest
    assert likeness(["a b d"]).digest != one.digest


def test_the_skeleton_is_what_stays() -> None:
    """Numbers, dates and addresses do not count in it, other words do."""
    one = likeness(["Not found: /trap/x 404", "today is 2026-01-05"], ["/a/b", "home"])
    other = likeness(["Not found: /other 404", "today is 1999-11-30"], ["/c", "/d", "home"])
    assert one.skeleton == other.skeleton
    assert one.digest != other.digest
    assert likeness(["Not there: /other 404", "today is 7"], ["home"]).skeleton != one.skeleton


def test_links_do_not_vote_beside_a_text() -> None:
    """One text with other links has the same SimHash, unless most of its words are links."""
    body = [" ".join(text(1, 200))]
    assert likeness(body, ["a b c"]).simhash == likeness(body, ["d e f"]).simhash
    few = [" ".join(text(1, 20))]
    lists = ([" ".join(text(seed, 200))] for seed in (2, 3))
    assert len({likeness(few, linked).simhash for linked in lists}) == 2


def test_too_little_to_compare() -> None:
    """A page of a few words has no SimHash, and one of none no digest."""
    assert likeness(["just a few words"]).simhash == 0
    assert likeness([" ", "\n"]) == (0, 0, 0)


@pytest.mark.slow
@given(st.lists(st.text(max_size=30), max_size=8), st.lists(st.text(max_size=30), max_size=4))
def test_any_text_has_numbers_of_64_bits(texts: list[str], linked: list[str]) -> None:
    """Any text, lone surrogates too, gives three numbers that fit, and the same ones again."""
    found = likeness(texts, linked)
    assert all(0 <= number < 1 << 64 for number in found)
    assert likeness(texts, linked) == found


@pytest.mark.slow
def test_the_same_in_every_process() -> None:
    """Another process, with another hash seed, finds the same numbers."""
    code = (
        "from crawler.formats.simhash import likeness\n"
        "print(*likeness([' '.join(f'word{n}' for n in range(100)) + ' some more']))"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert found[0] == found[1]


def test_memory_is_bounded(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """No more words are remembered than there is room for, and no endless ones."""
    monkeypatch.setattr(simhash, "_KEPT_WORDS", 100)
    likeness([" ".join(f"new{n}" for n in range(1_000)), "x" * 10_000])
    assert len(simhash._HASHES) <= max(100, 1)
    assert "x" * 10_000 not in simhash._HASHES


def test_scripts_are_no_text() -> None:
    """Text nodes come with their links apart, and without scripts, styles and comments."""
    body = (
        b"<title>T</title><style>s</style><body>a<script>x</script><p>b <a href=/>l</a><!--c-->"
        b"<textarea>d</textarea>&amp;"
    )
    found = html.find(body, "utf-8", token="crawler")
    assert (found.texts, found.linked) == (["T", "a", "b ", "d", "&"], ["l"])
    plain = html.find(body, "utf-8")
    assert (plain.texts, plain.linked) == ((), ())
    bare = found._replace(texts=(), linked=(), nofollow=(), own_robots=())
    assert plain == bare
