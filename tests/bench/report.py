"""What `make bench` reports: rows with a verdict, the table, the raw figures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.bench import measure
from tests.bench.measure import Sample
from tests.real.table import columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A bound on the compared value: at least, or at most, `bound` of `unit`."""

    bound: float
    unit: str
    at_least: bool = True

    def met(self, value: float) -> bool:
        """Whether `value` keeps the bound."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.bound:g}{self.unit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.

    `ours` and `peer` are figures with their unit, for reading; `value` is what `target` bounds, in
    the target's unit. `note` says what the figure hides; `profile` is filled where it is missed.
    """

    work: str
    ours: str
    peer: str
    value: float
    target: Target | None
    note: str = ""
    profile: tuple[str, ...] = ()

    @property
    def missed(self) -> bool:
        """Whether there is a target and the value does not reach it."""
        return self.target is not None and not self.target.met(self.value)

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        if self.target is None:
            return (self.work, self.ours, self.peer, f"{self.value:.2f}x", "", "")
        value = f"{self.value:.3g}{self.target.unit}"
        verdict = "MISSED" if self.missed else "yes"
        return (self.work, self.ours, self.peer, value, str(self.target), verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one work yields: its rows, and its samples by contestant."""

    key: str
    how: str
    rows: tuple[Row, ...]
    samples: Mapping[str, Sequence[Sample]]


def table(rows: Sequence[Row]) -> str:
    """The table, and below it every note, and every missed target with its profile."""
    header = ("work", "ours", "peer", "compared", "target", "met")
    lines = [columns(header, [row.cells() for row in rows])]
    lines += [f"note, {row.work}: {row.note}" for row in rows if row.note]
    return "\n".join([*lines, *_misses(rows)])


def _misses(rows: Sequence[Row]) -> Iterator[str]:
    """What was missed, with the profile that explains it; rows of one profile share it."""
    missed: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        if row.missed:
            missed.setdefault(row.profile, []).append(row.work)
    for profile, works in missed.items():
        yield f"MISSED: {'; '.join(works)}"
        if profile:
            yield "  own time in our main process:"
            yield from (f"    {line}" for line in profile)


def write(path: Path, results: Sequence[Result], machine: Mapping[str, Any]) -> None:
    """Write all figures, raw and derived, as one JSON object."""
    works = {
        result.key: {
            "how": result.how,
            "rows": [asdict(row) | {"met": _met(row)} for row in result.rows],
            "samples": {
                name: [sample.raw() for sample in samples]
                for name, samples in result.samples.items()
            },
        }
        for result in results
    }
    document = {"how": measure.__doc__, "machine": machine, "works": works}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")


def _met(row: Row) -> bool | None:
    return None if row.target is None else not row.missed
