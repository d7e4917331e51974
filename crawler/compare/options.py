"""Every option of a comparison, once: name, type, default, range and help.

Flags, environment variables (`CRAWLER_COMPARE_BUDGET`), TOML keys (`[compare]`) and the
documentation derive from the fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from crawler.compare.experiment import Mode
from crawler.model.option import OptionError, Options, option
from crawler.model.units import MINUTES, SECONDS, SHARE

_WHAT, _OWN, _HOW = "What", "Your own function", "How long"
_SECONDS: dict[Mode, float] = {"quick": 46.0, "normal": 150.0, "full": 900.0}
ANSWER_SECONDS = 30.0
MOST_SABOTAGE = 1.0


class Share(float):
    """A share that is written in percent: `5%`."""

    @classmethod
    def read(cls, value: object) -> Self:
        """From text or from a number, 0.05 being 5 %; ValueError for what is none or too much."""
        found = cls._read(value)
        if not 0 <= found <= MOST_SABOTAGE:
            raise ValueError(f"{value!r} is not between 0% and 100%")
        return cls(found)

    @staticmethod
    def _read(value: object) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is not a share; expected {SHARE.examples}")  # noqa: TRY004
        return float(SHARE.read(value))

    def __str__(self) -> str:
        return f"{float(self) * 100:g}%"


_NONE = Share(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareConfig(Options):
    """The options of a comparison; a value that exists is legal.

    Raises `ConfigurationError` that names the option, its value and what it may be.
    """

    urls: str = option(
        _WHAT,
        "",
        "Crawl these URLs in place of the mock web's; a list as of crawl -i.",
        metavar="LIST",
    )
    mock_latency: float = option(
        _WHAT,
        0.1,
        "Latency of the mock web without an experiment's name, before each first byte.",
        least=0,
        most=60,
        unit=SECONDS,
    )
    width: int = option(
        _WHAT,
        100,
        "Requests in flight without an experiment's name (sequential: 1); calls, with call.",
        least=2,
        most=10_000,
    )
    call: str = option(
        _OWN, "", "Function to call: package.module:function or file.py:function.", metavar="NAME"
    )
    async_call: str = option(
        _OWN,
        "",
        "Async function that does the same, to be called on an event loop.",
        metavar="NAME",
        short="--async",
    )
    inputs: str = option(
        _OWN,
        "",
        "File with an argument a line, as text or, in .jsonl, as JSON; none: called without one.",
        metavar="FILE",
    )
    python: tuple[str, ...] = option(
        _WHAT, (), "Measure with this interpreter, too; may be repeated.", metavar="PATH"
    )
    quick: bool = option(_HOW, False, "Small work and few rounds; everything in 10 minutes.")
    full: bool = option(_HOW, False, "Large work and many rounds; everything in some hours.")
    budget: float = option(
        _HOW,
        0.0,
        "Time for all of it, in minutes, or 30s; experiments by name take 5 rounds even so. "
        "0: 30 s without a name, else as quick or full have it.",
        least=0,
        most=10_000,
        unit=MINUTES,
        short="--in",
    )
    rounds: int = option(
        _HOW, 0, "Exactly so many rounds; 0: as many as there is time for.", least=0, most=1_000
    )
    sabotage: Share = option(
        _HOW, _NONE, "Slow one side of each experiment, to see that it is found.", metavar="5%"
    )
    seed: int = option(_HOW, 0, "Of the order of turns and of all that is drawn.")

    def __post_init__(self) -> None:
        self.settle()
        if self.quick and self.full:
            raise OptionError("full", "give --quick or --full, not both")
        for name in ("async_call", "inputs"):
            if getattr(self, name) and not self.call:
                raise OptionError(name, "needs a function to call (crawler compare call NAME)")

    @property
    def mode(self) -> Mode:
        """How thorough it is."""
        return "quick" if self.quick else "full" if self.full else "normal"

    @property
    def answer_seconds(self) -> float:
        """The time of the comparison without an experiment's name."""
        return self.budget * 60 or ANSWER_SECONDS

    def seconds(self, experiments: int) -> float:
        """The time of one of so many experiments."""
        if self.budget:
            return self.budget * 60 / max(experiments, 1)
        return _SECONDS[self.mode]
