"""The standing of a crawl, as its state and its receipt tell it to another process.

A crawl that runs has locked its output. It is counted by its live status; one that has stopped, by
its journal, which knows what was kept. Partitions have one of each, and are added up.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from crawler.store.claim import writer_of
from crawler.store.journal.frame import Marks, last_marks
from crawler.store.journal.status_file import read_status
from crawler.store.receipt_file import fitting_receipt, read_object

_RUN, _JOURNAL, _RECEIPT, _STATE = "run.json", "journal", ".receipt.json", ".state"

Stage = Literal["running", "stopped", "complete", "unknown"]
"""`unknown`: there is neither a state nor a receipt that fits, and nobody writes the output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The counts of a crawl, those of earlier runs included.

    `at` is the Unix time of the counts, or of the end. `waiting` URLs were read or found and have
    no record; `unread` entries of the list are estimated, None if their number is unknown.
    `partitions` counts those of a crawl on a cluster, `running`, `waiting` and `done`; `rounds` of
    them have ended.
    """

    output: str
    stage: Stage = "unknown"
    pid: int = 0
    at: float | None = None
    started: float | None = None
    read: int = 0
    found: int = 0
    repeats: int = 0
    records: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    unread: int | None = 0
    in_flight: int = 0
    records_per_second: float = 0.0
    pages_per_second: float = 0.0
    bytes_per_second: float = 0.0
    seconds_left: float | None = None
    hosts_away: int = 0
    hosts: Sequence[Mapping[str, Any]] = ()
    partitions: Mapping[str, int] = field(default_factory=dict)
    rounds: int = 0

    @property
    def left(self) -> int:
        """Number of URLs without a record, as far as it is known."""
        return self.waiting + (self.unread or 0)

    @property
    def well(self) -> bool:
        """True for a crawl that runs, or has ended with a record for each URL."""
        return self.stage in ("running", "complete")


def standing(output: str) -> Standing:
    """Return how the crawl stands whose output, or whose directory of state, this is."""
    state, place = places(output)
    receipt = fitting_receipt(Path(f"{place}{_RECEIPT}"), place)
    parts = [] if state is None else _parts(state)
    pid = writer_of([place, *(str(path) for path in _files(state))])
    if pid is None and not parts:
        return completed(output, receipt)
    stage: Stage = "stopped" if pid is None else "running"
    return _summed(output, stage, pid or 0, parts)


def newest(folder: str = ".") -> str | None:
    """Return the output of the newest state or receipt in a folder; None if there is none."""
    found = list(_begun(Path(folder)))
    return max(found)[1] if found else None


def _begun(folder: Path) -> Iterator[tuple[float, str]]:
    for path in folder.iterdir():
        if path.name.endswith(_RECEIPT):
            yield path.stat().st_mtime, str(path).removesuffix(_RECEIPT)
        elif (path / _RUN).is_file():
            times = [each.stat().st_mtime for each in _files(path)]
            named = path.name.endswith(_STATE)
            yield max(times), str(path).removesuffix(_STATE) if named else str(path)


def places(output: str) -> tuple[Path | None, str]:
    """Return the directory of a crawl's state, if there is one, and its output."""
    place = os.path.realpath(output)
    for state in (Path(f"{place}{_STATE}"), Path(place)):
        run = read_object(state / _RUN)
        if run:
            return state, str(run.get("output") or place) if state == Path(place) else place
    return None, place


def _parts(state: Path) -> list[Path]:
    """Return the directories of a state that hold a journal or a status: itself, or partitions."""
    folders = [state, *sorted(path for path in state.glob("p*") if path.is_dir())]
    return [path for path in folders if (path / _JOURNAL).exists() or read_status(path)]


def _files(state: Path | None) -> Iterator[Path]:
    if state is not None:
        yield from (path for path in state.glob("**/*") if path.is_file())


def completed(output: str, receipt: Mapping[str, Any]) -> Standing:
    """Return the standing of a crawl by its receipt; nothing is known without one."""
    if not receipt:
        return Standing(output=output)
    names = ("read", "found", "repeats", "records")
    return Standing(
        output=output,
        stage="complete",
        at=receipt.get("ended"),
        outcomes=receipt.get("outcomes", {}),
        **{name: receipt.get(name, 0) for name in names},
    )


def _summed(output: str, stage: Stage, pid: int, parts: Sequence[Path]) -> Standing:
    told = [_told(part, live=stage == "running") for part in parts]
    sums: dict[str, Any] = {name: sum(each.get(name) or 0 for each in told) for name in _SUMMED}
    outcomes: Counter[str] = Counter()
    for each in told:
        outcomes.update(each.get("outcomes") or {})
    unread = [each.get("unread") for each in told]
    times = [each["seconds_left"] for each in told if each.get("seconds_left") is not None]
    hosts = [host for each in told for host in each.get("hosts") or ()]
    return Standing(
        output=output,
        stage=stage,
        pid=pid,
        at=min((each["at"] for each in told if "at" in each), default=None),
        started=min((each["started"] for each in told if "started" in each), default=None),
        outcomes=dict(outcomes),
        unread=None if None in unread or not told else sum(filter(None, unread)),
        seconds_left=max(times) if told and len(times) == len(told) else None,
        hosts=sorted(hosts, key=lambda host: -host["waiting"]) if stage == "running" else (),
        **sums,
    )


_SUMMED = (
    *("read", "found", "repeats", "records", "waiting", "in_flight", "hosts_away"),
    *("records_per_second", "pages_per_second", "bytes_per_second"),
)
_PACE = ("in_flight", "hosts_away", "records_per_second", "pages_per_second", "bytes_per_second")


def _told(part: Path, *, live: bool) -> dict[str, Any]:
    """Return the status of a part; of one that has stopped, with the counts of its journal."""
    values = read_status(part)
    if live or (marks := _marks(part)) is None:
        return values
    counts = {each.name: getattr(marks, each.name) for each in fields(Marks)}
    names = ("read", "found", "repeats", "records", "outcomes")
    named = {name: counts[name] for name in names}
    if values.get("unread") is not None:
        values["unread"] = max(values["unread"] + values["read"] - marks.read, 0)
    return {**values, **dict.fromkeys(_PACE, 0), **named, "waiting": marks.left}


def _marks(part: Path) -> Marks | None:
    try:
        with (part / _JOURNAL).open("rb") as file:
            return last_marks(file)
    except (OSError, ValueError, TypeError):  # of another format: the status has to do
        return None
