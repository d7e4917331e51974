"""Hash a page's text to three 64-bit numbers that tell likeness.

- `simhash`: similar texts have numbers that differ in few bits (Charikar, STOC 2002; used on the
  web by Manku, Jain and Das Sarma, WWW 2007). Every distinct shingle of `SHINGLE` consecutive words
  has one vote, its hash; each bit of the result is that of the majority. Without the distinction a
  few repeated phrases decide. Links do not vote if most words stand outside them: pages with one
  text differ in their links.
- `digest`: equal only for equal texts, links included.
- `skeleton`: a digest of the words without digit or slash. Pages that differ in a number, a date, a
  session or the address that they repeat share it, such as soft 404s and calendars.

All depend on words only, so white space and markup do not count, and repeated pieces of text count
once. They are the same in every process and run. 0 means nothing to compare: no words, or for
`simhash` fewer than `LEAST_WORDS`.

Python has no cheap loop over bits, but its integers are vectors: the hashes of all shingles stand
side by side in one integer, 64 bits each, and one operation works on all of them. Votes are counted
by carry-save adders (Harley and Seal; Warren, Hacker's Delight, 5-1): three rows become one of sums
and one of carries, until one row is left for each power of two.

Shingles of two words are a compromise: single words give many false pairs, triples find fewer
near-duplicates.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final, NamedTuple

SHINGLE: Final = 2
LEAST_WORDS: Final = 16
MAX_WORDS: Final = 50_000
"""Maximum words read, of 65,000 on the longest page of the Python docs."""
SKELETON_WORDS: Final = 2_000
"""Maximum words of a page with its own skeleton; longer pages are not templates."""
_LANE: Final = 64
_ALL: Final = (1 << _LANE) - 1
_KEPT_WORDS: Final = 1 << 16
"""Maximum words whose hashes a process caches, twice: some 15 MB."""
_LONGEST_KEPT: Final = 256
"""Maximum length of a cached word; a page may have one of megabytes."""


class Likeness(NamedTuple):
    """The three numbers of a text."""

    simhash: int
    digest: int
    skeleton: int


class _Hashes(dict[str, bytes]):
    """Cached 8-byte hashes of words."""

    def __missing__(self, word: str) -> bytes:
        found = self.of(word)
        if len(word) <= _LONGEST_KEPT:
            if len(self) >= _KEPT_WORDS:
                self.clear()
            self[word] = found
        return found

    def of(self, word: str) -> bytes:
        return blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()


class _Lasting(_Hashes):
    """The same, but b"" for a word that is likely to be a number, a date or an address."""

    def of(self, word: str) -> bytes:
        return b"" if "/" in word or any(map(str.isdigit, word)) else super().of(word)


_HASHES = _Hashes()
_LASTING = _Lasting()


def likeness(texts: Iterable[str], linked: Iterable[str] = ()) -> Likeness:
    """Return the numbers of a page, given pieces of its text outside links, and inside them."""
    own, links = _words(texts), _words(linked)
    hashes, more = _hashes(own, _HASHES), _hashes(links, _HASHES)
    digest = _digest(hashes + more)
    small = len(own) + len(links) <= SKELETON_WORDS
    skeleton = _digest(_hashes(own, _LASTING) + _hashes(links, _LASTING)) if small else digest
    return Likeness(
        _simhash(hashes if len(more) < len(hashes) else hashes + more), digest, skeleton
    )


def _words(texts: Iterable[str]) -> list[str]:
    words = " ".join(dict.fromkeys(texts)).split(maxsplit=MAX_WORDS)
    return words if len(words) <= MAX_WORDS else words[:MAX_WORDS]


def _hashes(words: list[str], known: _Hashes) -> bytes:
    return b"".join(map(known.__getitem__, words))


def _digest(hashes: bytes) -> int:
    return int.from_bytes(blake2b(hashes, digest_size=8).digest()) if hashes else 0


def _simhash(hashes: bytes) -> int:
    """Return the SimHash of words, given as 8 bytes each."""
    if len(hashes) < 8 * LEAST_WORDS:
        return 0
    shingles = row = int.from_bytes(hashes, "little")
    for place in range(1, SHINGLE):
        # Shift by one lane and one bit, so that the order of a shingle's words counts.
        shingles ^= row >> place * (_LANE + 1)
    lanes = shingles.to_bytes(len(hashes), "little")[: len(hashes) - 8 * (SHINGLE - 1)]
    votes = list(set(memoryview(lanes).cast("Q")))  # an array is made twice as fast from a list
    return _majority(array("Q", votes))


def _majority(votes: array[int]) -> int:
    """Return the bits that more than half of the votes have."""
    planes = _planes(int.from_bytes(votes.tobytes(), "little"), len(votes))
    more, equal = 0, _ALL
    for power in reversed(range(len(planes))):  # all 64 counts against one number, digit by digit
        if len(votes) // 2 >> power & 1:
            equal &= planes[power]
        else:
            more |= equal & planes[power]
            equal &= ~planes[power]
    return more


def _planes(row: int, count: int) -> list[int]:
    """Return how many of `count` lanes have each bit: plane p holds digit p of the 64 numbers."""
    planes = []
    while count:
        # Add three thirds of the row at once until one lane is left; the carries make the next row.
        carries, carried = 0, 0
        while count > 1:
            third = -(-count // 3)
            width = third * _LANE
            mask = (1 << width) - 1
            first, second, rest = row & mask, row >> width & mask, row >> 2 * width
            half = first ^ second
            carries |= ((first & second) | (half & rest)) << carried * _LANE
            carried += third
            row, count = half ^ rest, third
        planes.append(row)
        row, count = carries, carried
    return planes
