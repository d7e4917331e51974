"""Inputs that once broke a guarantee, or come near to it, through the target that they are for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.pieces import PIECES, SEEDS
from tests.fuzz.targets import TARGETS, check

FOLDER = Path(__file__).parent / "corpus"
FOUND = sorted(path.relative_to(FOLDER) for path in FOLDER.glob("*/*"))


def test_every_target_has_words_and_seeds() -> None:
    """No target is fuzzed from nothing, and no folder of the corpus is for none."""
    assert set(PIECES) == set(SEEDS) == set(TARGETS)
    assert {path.parts[0] for path in FOUND} <= set(TARGETS)


@pytest.mark.parametrize("path", FOUND, ids=str)
def test_found_cases(path: Path) -> None:
    """What was found once stays mended."""
    check(path.parts[0], (FOLDER / path).read_bytes())


@pytest.mark.parametrize(
    ("name", "seed"), [(name, seed) for name, seeds in SEEDS.items() for seed in seeds]
)
def test_seeds(name: str, seed: bytes) -> None:
    """Ordinary inputs hold every guarantee, whole and cut off at any byte."""
    for end in range(len(seed) + 1):
        check(name, seed[:end])
