"""What an experiment is made of; values only, so that a measured process imports nothing else.

An experiment's module holds, in this order: the claim, the predictions, the work, the verdict.

    def work(parameters, watch): ...     what one arm does, in a fresh process of its own
    EXPERIMENT = Experiment(...)

The life of a turn: the runner starts `python -m crawler.compare.child`, which imports the module,
calls `work` with the arm's parameters and a stopwatch, and sends back a `Run`. `work` prepares and
warms up, does what is to be measured inside `with watch:`, and returns a `Done`: a checksum of what
was done, which has to be equal for all arms that claim to do the same, and further figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from crawler.compare.judgement import Observed

Mode = Literal["quick", "normal", "full"]
Word = Literal["faster", "slower", "indistinguishable", "inconclusive", "invalid"]
Expected = Literal["faster", "slower", "not faster", "not slower", "indistinguishable", ""]
Outcome = Literal["as predicted", "otherwise", "undecided", "invalid", "told"]
Noise = Literal["compute", "wait", "fetch"]
Parameters = Mapping[str, Any]

BASE_LIMIT = 60.0
"""Seconds until a turn is given up, unless its arm says otherwise."""


class Watch(Protocol):
    """A stopwatch: `with watch:` is what is measured. It runs once."""

    def __enter__(self) -> object: ...

    def __exit__(self, *error: object) -> None: ...

    @property
    def wall(self) -> float:
        """Seconds measured; 0 before the end."""

    @property
    def cpu(self) -> float:
        """CPU seconds measured, those of other processes too; 0 before the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a turn did. checksum: equal for equal work. errors: how much of it failed.

    figures: numbers of the experiment's own, by name; times in seconds, sizes in bytes. notes:
    whatever else is worth keeping, as JSON.
    """

    checksum: str = ""
    errors: int = 0
    figures: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One configuration. `parameters` are JSON and go to `work`.

    equal: arms with the same text claim to do the same work, so that their checksums must agree; ""
    claims nothing. limit: seconds until the turn is given up. slowed: the side that `--sabotage`
    slows down (where no arm says so, the second one). cores: where it may run; none is all.
    """

    name: str
    parameters: Parameters = field(default_factory=dict)
    equal: str = "all"
    limit: float = BASE_LIMIT
    slowed: bool = False
    cores: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Something measured. `more`: whether more of it is better. `ratio`: what a ratio is called.

    A ratio always tells how many times better the other arm is: `2.10 times as fast`. words: what a
    person reads in the place of `faster` and `slower`, for what is no time. noise: which noise of
    the machine it is held against; "" for what hardly has any, such as memory.
    """

    name: str
    title: str
    unit: str = "s"
    more: bool = False
    ratio: str = "times as fast"
    words: tuple[str, str] = ("faster", "slower")
    noise: Literal["wall", "cpu", ""] = "wall"


THRIFT = ("thriftier", "dearer")
WALL = Figure(name="wall", title="wall time")
CPU = Figure(
    name="cpu", title="CPU time", ratio="times as thrifty of CPU", words=THRIFT, noise="cpu"
)


def memory(name: str, title: str) -> Figure:
    """A figure in bytes."""
    ratio = "times as thrifty of memory"
    return Figure(name=name, title=title, unit="B", ratio=ratio, words=THRIFT, noise="")


RSS = memory("rss", "peak memory")
PSS = memory("pss", "memory (PSS)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """A comparison that is planned before the run: `other` against `base`, and what is expected.

    least: `other` should be at least so many times better; 0 asks for no amount. otherwise: the
    explanation, if it comes out otherwise.
    """

    claim: str
    base: str
    other: str
    figure: Figure = WALL
    expect: Expected = ""
    least: float = 0.0
    otherwise: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of a prediction. `text` is a sentence with its figures; `detail` may have lines.

    folded: what the detail is, where it is only shown to who asks for it.
    """

    claim: str
    outcome: Outcome
    text: str
    detail: str = ""
    folded: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python to measure with. `gil`: whether it has its lock on, with our dependencies imported.

    label: `3.14t, lock off`; the first of a setting, the one that runs the comparison, has none.
    parser_refusal: why the project's parser does not load in a subinterpreter, "" if it does.
    """

    label: str
    path: str
    version: str
    gil: bool = True
    parser_refusal: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def called(self) -> str:
        """`Python 3.14.1t, lock off`: by its label; the one that ran it all by its version."""
        return f"Python {self.label or self.version}"

    @property
    def short(self) -> tuple[int, int]:
        """`(3, 14)`."""
        major, minor, *_ = self.version.split(".")
        return int(major), int(minor)

    @property
    def interpreters(self) -> bool:
        """Whether it has `InterpreterPoolExecutor`."""
        return self.short >= (3, 14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What an experiment plans its arms by.

    cores: those that may be used. server: the base URL of the experiment's server, "" before it
    runs. urls: the user's own list, "" for none. seed: of everything that is drawn. latency, width:
    of the mock web in seconds, and how many are in flight, where the user may choose them. call:
    what of the user's own is called, and how often; empty for nothing.
    """

    mode: Mode
    cores: tuple[int, ...]
    interpreter: Interpreter
    server: str = ""
    urls: str = ""
    seed: int = 0
    latency: float = 0.1
    width: int = 100
    call: Mapping[str, Any] = field(default_factory=dict)

    def pick(self, quick: Any, normal: Any, full: Any = None) -> Any:
        """A value by mode; `full` is `normal` where it is left out."""
        return {"quick": quick, "normal": normal, "full": normal if full is None else full}[
            self.mode
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A line of a chart: points `(x, y)`; `spread` has the least and the greatest y of each."""

    name: str
    points: Sequence[tuple[float, float]]
    spread: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """A chart of lines. `ideal`: a dashed line to hold them against."""

    title: str
    note: str
    x: str
    y: str
    series: Sequence[Series]
    ideal: Series | None = None
    log_x: bool = False
    log_y: bool = False
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """A chart of bars, one group a label; `values[series][group]`; nan leaves a bar out."""

    title: str
    note: str
    x: str
    groups: Sequence[str]
    values: Mapping[str, Sequence[float]]
    unit: str = ""
    log: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """A table in colours: which of `kinds` wins in each cell, and by how many times.

    cells[row][column] is `(kind, times)`; kind None is a draw.
    """

    title: str
    note: str
    x: str
    y: str
    columns: Sequence[str]
    rows: Sequence[str]
    kinds: Sequence[str]
    cells: Sequence[Sequence[tuple[str | None, float]]]


Chart = Lines | Bars | Map


def _no_stage(_setting: Setting) -> AbstractContextManager[str]:
    return nullcontext("")


def _nothing(_observed: Observed) -> Sequence[Any]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A question to a machine.

    claim: what is held to be true, in one sentence. arms, contrasts: what is run and what is
    compared, planned from the setting before anything is measured. checks: findings that are facts
    and no comparisons. charts: what the report draws beside the ratios. conditions, not_shown:
    sentences for the report. noise: which of the machine's noises its comparisons are held
    against. stage: what has to run beside it, as a context that gives the base URL of a server.
    module: where `work` is. kept: in place of it there is `keep`, whose process serves an arm's
    turns all along, and the budget is a promise even where fewer than 5 rounds fit. most_rounds:
    where more would show nothing. weight: its share of a budget. shown: the figures whose medians
    a person is shown for each arm.
    """

    name: str
    question: str
    claim: str
    module: str
    arms: Callable[[Setting], Sequence[Arm]]
    contrasts: Callable[[Setting], Sequence[Contrast]]
    not_shown: Sequence[str]
    conditions: Sequence[str] = ()
    checks: Callable[[Observed], Sequence[Finding]] = _nothing
    charts: Callable[[Observed], Sequence[Chart]] = _nothing
    noise: Noise = "compute"
    stage: Callable[[Setting], AbstractContextManager[str]] = _no_stage
    kept: bool = False
    most_rounds: int = 1_000
    weight: float = 1.0
    shown: Sequence[Figure] = ()
