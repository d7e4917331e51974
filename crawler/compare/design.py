"""The parts of an experiment; values only, so that a measured process imports nothing else.

An experiment's module holds, in this order: the claim, the predictions, the work, the verdict.

    def work(parameters, watch): ...     what one arm does, in its own fresh process
    EXPERIMENT = Experiment(...)

The life of a turn: the runner starts `python -m crawler.compare.child`, which imports the module,
calls `work` with the arm's parameters and a stopwatch, and sends back a `Run`. `work` prepares and
warms up, does what is to be measured inside `with watch:`, and returns a `Done`: a checksum of what
was done, which has to be equal for all arms that claim to do the same, and further figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Annotated, Any, Literal, Protocol, Self

from crawler.measure.json_document import told

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
    """The outcome of a turn. checksum: equal for equal work. errors: how much of it failed.

    figures: numbers of the experiment's own, by name; times in seconds, sizes in bytes. notes:
    whatever else is worth keeping, as JSON.
    """

    checksum: str = ""
    errors: int = 0
    figures: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One configuration."""

    name: Annotated[str, told("Its name.")]
    parameters: Annotated[Parameters, told("Parameters of its work, as JSON.")] = field(
        default_factory=dict
    )
    equal: Annotated[
        str, told("Arms with the same text claim the same work; empty claims nothing.")
    ] = "all"
    limit: Annotated[float, told("Seconds until a turn is given up.")] = BASE_LIMIT
    slowed: Annotated[
        bool, told("True if sabotage slows this side down; if none is, the second is slowed.")
    ] = False
    cores: Annotated[tuple[int, ...], told("The cores it may use; none is all.")] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """Something measured; a ratio tells how many times better the other arm is."""

    name: Annotated[str, told("Its name among readings and figures.")]
    title: Annotated[str, told("Its name for people.")]
    unit: Annotated[str, told("Its unit: s, B, or another.")] = "s"
    more: Annotated[bool, told("True if more of it is better.")] = False
    ratio: Annotated[str, told("Name of a ratio: times as fast.")] = "times as fast"
    words: Annotated[tuple[str, str], told("Words for faster and slower.")] = ("faster", "slower")
    noise: Annotated[
        Literal["wall", "cpu", ""], told("The noise that it is compared with; empty for none.")
    ] = "wall"


_THRIFT = ("thriftier", "dearer")


def cpu_time(name: str, title: str) -> Figure:
    """Return a figure in CPU seconds."""
    return Figure(name, title, ratio="times as thrifty of CPU", words=_THRIFT, noise="cpu")


def lateness(name: str, title: str) -> Figure:
    """Return a figure in seconds that something came too late."""
    return Figure(name, title, ratio="times as prompt", words=("prompter", "later"))


def memory(name: str, title: str) -> Figure:
    """Return a figure in bytes."""
    return Figure(name, title, "B", ratio="times as thrifty of memory", words=_THRIFT, noise="")


def rate(title: str) -> Figure:
    """Return the figure `rate`: so many a second."""
    return Figure("rate", title, "/s", more=True)


WALL = Figure("wall", "wall time")
CPU = cpu_time("cpu", "CPU time")
RSS = memory("rss", "peak memory")
PSS = memory("pss", "memory (PSS)")


@dataclass(frozen=True, slots=True)
class Contrast:
    """A comparison that is planned before the run."""

    claim: Annotated[str, told("The prediction, in words.")]
    base: Annotated[str, told("The arm that is held against.")]
    other: Annotated[str, told("The arm that is held against it.")]
    figure: Annotated[Figure, told("The figure that is compared.")] = WALL
    expect: Annotated[Expected, told("The predicted word; empty for none.")] = ""
    least: Annotated[float, told("The least ratio predicted; 0 for any.")] = 0.0
    otherwise: Annotated[str, told("The explanation, if it comes out otherwise; or empty.")] = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of a prediction."""

    claim: Annotated[str, told("The prediction.")]
    outcome: Annotated[Outcome, told("Its outcome.")]
    text: Annotated[str, told("The result, in a sentence with its figures.")]
    detail: Annotated[str, told("The same at length; it may have lines, and may be empty.")] = ""
    folded: Annotated[str, told("Title of the detail, where it is folded away; else empty.")] = ""

    @classmethod
    def of(cls, claim: str, held: bool, text: str, *, detail: str = "", trouble: str = "") -> Self:
        """Judge a prediction by whether it held; trouble makes it invalid, and says why."""
        outcome: Outcome = "as predicted" if held else "otherwise"
        return cls(claim, "invalid" if trouble else outcome, trouble or text, detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python to measure with."""

    label: Annotated[str, told("3.14t, lock off; empty for the one that runs the comparison.")]
    path: Annotated[str, told("Its path.")]
    version: Annotated[str, told("Its version.")]
    gil: Annotated[bool, told("True if its lock is on, with the packages imported.")] = True
    parser_refusal: Annotated[
        str, told("The reason that the parser does not load in a subinterpreter; or empty.")
    ] = ""
    packages: Annotated[Mapping[str, str], told("Package to version, of those installed.")] = field(
        default_factory=dict
    )
    environment: Annotated[Mapping[str, str], told("Variables that it was given.")] = field(
        default_factory=dict
    )

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
        """True if it has `InterpreterPoolExecutor`."""
        return self.short >= (3, 14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The setting that an experiment plans its arms by."""

    mode: Annotated[Mode, told("Thoroughness.")]
    cores: Annotated[tuple[int, ...], told("The numbers of the cores to use.")]
    interpreter: Annotated[Interpreter, told("The interpreter.")]
    server: Annotated[str, told("The base URL of the experiment's server; empty for none.")] = ""
    urls: Annotated[str, told("The list that was given; empty for none.")] = ""
    text: Annotated[bool, told("Whether a crawl extracts the main text.")] = False
    seed: Annotated[int, told("Of all that is drawn.")] = 0
    latency: Annotated[float, told("Of the mock web where it may be chosen, in seconds.")] = 0.1
    width: Annotated[int, told("Requests in flight where it may be chosen.")] = 100
    call: Annotated[
        Mapping[str, Any], told("The user's function, inputs, batches; empty for nothing.")
    ] = field(default_factory=dict)

    def pick(self, quick: Any, normal: Any, full: Any = None) -> Any:
        """Return a value by mode; `full` is `normal` where it is left out."""
        found = {"quick": quick, "normal": normal, "full": normal if full is None else full}
        return found[self.mode]


@dataclass(frozen=True, slots=True)
class Series:
    """A line of a chart: points `(x, y)`; `spread` has the least and the greatest y of each."""

    name: str
    points: Sequence[tuple[float, float]]
    spread: Sequence[tuple[float, float]] = ()

    @classmethod
    def over(cls, name: str, values: Mapping[Any, Sequence[float]]) -> Self:
        """Return the line of the medians of what was measured at each x."""
        found = {float(x): each for x, each in values.items() if each}
        points = [(x, median(each)) for x, each in found.items()]
        return cls(name, points, [(min(each), max(each)) for each in found.values()])


@dataclass(frozen=True, slots=True)
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

    @property
    def names(self) -> list[str]:
        """Names of its series."""
        return [series.name for series in self.series]


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart of bars, one group a label; `values[series][group]`; nan leaves a bar out."""

    title: str
    note: str
    x: str
    groups: Sequence[str]
    values: Mapping[str, Sequence[float]]
    unit: str = ""
    log: bool = False

    @property
    def names(self) -> list[str]:
        """Names of its series."""
        return list(self.values)


@dataclass(frozen=True, slots=True)
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

    @property
    def names(self) -> list[str]:
        """Names of its kinds."""
        return list(self.kinds)


Chart = Lines | Bars | Map
