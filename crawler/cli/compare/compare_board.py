"""The live page of a comparison: which experiment, its rounds, and the time left."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

from crawler.cli.board_parts import table
from crawler.cli.unit_formats import count, duration
from crawler.compare.comparison_result import ComparisonResult
from crawler.compare.runner import Turn


class CompareBoard:
    """Makes the boards; told by the comparison, read by the server's thread."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)
        self._began = self._since = perf_counter()
        self._turn: Turn | None = None
        self._turns = 0
        self._found: dict[str, list[tuple[str, str, str]]] = {}

    def begins(self, names: Sequence[str]) -> None:
        """Take the names of what is really run: with a comparison of nothing with itself."""
        self._names = list(names)

    def turn(self, turn: Turn) -> None:
        """Take note of what runs now."""
        if self._turn is None or turn.experiment != self._turn.experiment:
            self._since = perf_counter()
        self._turn = turn
        self._turns += 1

    def ends(self, result: ComparisonResult) -> None:
        """Take what the last experiment has found."""
        examined = result.examined[-1]
        self._found[examined.experiment.name] = [
            (part.interpreter.label, finding.claim, str(finding.outcome))
            for part in examined.parts
            for finding in part.findings
        ]

    def board(self) -> dict[str, Any]:
        """Return what the page shows now."""
        turn, left = self._turn, self._left()
        return {
            "title": "comparison",
            "state": "running" if turn else "starting",
            "done": self._done(),
            "left": "" if left is None else f"{duration(left)} left",
            "controls": [],
            "figures": self._figures(turn),
            "plot": None,
            "tables": [self._experiments(), self._findings()],
        }

    def _share(self) -> float:
        """Return the share of the experiment that is done."""
        turn = self._turn
        return turn.round / (turn.rounds + 1) if turn and turn.round else 0.0

    def _done(self) -> float:
        running = self._turn is not None and self._turn.experiment not in self._found
        done = len(self._found) + (self._share() if running else 0.0)
        return done / max(len(self._names), 1)

    def _left(self) -> float | None:
        """Estimate the seconds left from the share that is done; None before it is known."""
        done = self._done()
        return (perf_counter() - self._began) * (1 - done) / done if done else None

    def _figures(self, turn: Turn | None) -> list[tuple[str, str]]:
        if turn is None:
            return []
        number = min(len(self._found) + 1, len(self._names))
        return [
            ("Experiment", f"{turn.experiment}, {number} of {len(self._names)}"),
            ("Round", f"{turn.round} of {turn.rounds}" if turn.round else "warm-up"),
            ("Arm", turn.arm),
            ("Interpreter", turn.interpreter or "this one"),
            ("Turns", count(self._turns)),
            ("Experiment for", duration(perf_counter() - self._since)),
            ("Running for", duration(perf_counter() - self._began)),
        ]

    def _experiments(self) -> dict[str, object]:
        rows = ((name, [name, self._state(name)]) for name in self._names)
        return table("experiments", "Experiments", ["Experiment", "State"], rows)

    def _state(self, name: str) -> str:
        if name in self._found:
            return "done"
        return "running" if self._turn and self._turn.experiment == name else "to come"

    def _findings(self) -> dict[str, object]:
        rows = (
            (f"{name} {label} {claim}", [name, label, outcome, claim])
            for name, found in self._found.items()
            for label, claim, outcome in found
        )
        names = ["Experiment", "Interpreter", "Outcome", "Details"]
        return table("findings", "Findings", names, rows)
