"""The best of several arms, by comparisons that were decided and by nothing else.

Arms that cannot be told apart are taken for equals; an arm that is slower than another is out. What
is left is the best, if it is one; else how the rest compare is open. Medians decide nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crawler.compare.judgement import Comparison, decided


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The arms that nothing beats, in their order; none where nothing was decided.

    because: the decided comparisons that they won, or in which they were equal. unsettled: those
    between the arms that are left which would tell them apart.
    """

    best: Sequence[str] = ()
    because: Sequence[Comparison] = ()
    unsettled: Sequence[Comparison] = ()

    @property
    def named(self) -> str:
        """The arms in words: `async uvloop`, `threaded or async asyncio`."""
        return " or ".join(self.best)


def choose(comparisons: Sequence[Comparison], first: str, then: str = "") -> Choice:
    """Choose by the figure `first`, and between those that are equal in it by the figure `then`."""
    found = _best(_about(comparisons, first))
    if len(found.best) < 2 or found.unsettled:
        return found
    second = _best(_among(_about(comparisons, then), found.best))
    if not second.best:
        return found
    because = [*second.because, *found.because]
    return Choice(best=second.best, because=because, unsettled=second.unsettled)


def _about(comparisons: Sequence[Comparison], figure: str) -> list[Comparison]:
    """Return the valid comparisons of a figure that have been run."""
    valid = [each for each in comparisons if each.word != "invalid" and each.rounds]
    return [each for each in valid if each.contrast.figure.name == figure]


def _among(comparisons: Sequence[Comparison], arms: Sequence[str]) -> list[Comparison]:
    return [each for each in comparisons if {*_arms(each)} <= {*arms}]


def _best(comparisons: Sequence[Comparison]) -> Choice:
    told = [each for each in comparisons if decided(each)]
    if not told:
        return Choice(unsettled=[*comparisons])
    equals = _equals(comparisons)
    beaten = {equals[_sides(each)[1]] for each in told if each.word in ("faster", "slower")}
    best = [arm for arm, group in equals.items() if group not in beaten]
    because = [each for each in told if _sides(each)[0] in best]
    unsettled = [each for each in _among(comparisons, best) if not decided(each)]
    return Choice(best=best, because=because, unsettled=unsettled)


def _equals(comparisons: Sequence[Comparison]) -> dict[str, str]:
    """Map each arm to the first of those that it cannot be told apart from."""
    group = {arm: arm for each in comparisons for arm in _arms(each)}
    for each in comparisons:
        if each.word == "indistinguishable":
            one, other = (group[arm] for arm in _arms(each))
            group = {arm: one if of == other else of for arm, of in group.items()}
    return group


def _arms(comparison: Comparison) -> tuple[str, str]:
    return comparison.contrast.base, comparison.contrast.other


def _sides(comparison: Comparison) -> tuple[str, str]:
    """Return winner and loser; of equals, the one that is compared first."""
    base, other = _arms(comparison)
    return (base, other) if comparison.word == "slower" else (other, base)
