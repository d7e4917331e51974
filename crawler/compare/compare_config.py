"""Every option of a comparison, once: name, type, default, range and help.

Flags, environment variables (`CRAWLER_COMPARE_BUDGET`), TOML keys (`[compare]`) and the
documentation derive from the fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Self

from crawler.compare.design import Mode
from crawler.model.option import OptionError, Options, option
from crawler.model.units import MINUTES, SECONDS, SHARE

_WHAT, _OWN, _HOW = "What", "Your own function", "How long"
_SECONDS: dict[Mode, float] = {"quick": 46.0, "normal": 150.0, "full": 900.0}
ANSWER_SECONDS = 30.0


class Percentage(float):
    """A share that is written in percent: `5%`."""

    @classmethod
    def read(cls, value: object) -> Self:
        """Read text or a number, 0.05 being 5 %; raise ValueError if invalid or out of range."""
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(f"{value!r} is not a share; expected {SHARE.examples}")  # noqa: TRY004
        found = float(SHARE.read(value) if isinstance(value, str) else value)
        if not 0 <= found <= 1:
            raise ValueError(f"{value!r} is not between 0% and 100%")
        return cls(found)

    def __str__(self) -> str:
        return f"{float(self) * 100:g}%"


_NONE = Percentage(0)
_option = partial(option, common=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareConfig(Options):
    """The options of a comparison; a value that exists is legal.

    Raises `ConfigurationError` that names the option, its value and what it may be.
    """

    urls: str = _option(
        _WHAT,
        "",
        "Crawl these URLs instead of the mock web's; a list as for crawl -i.",
        metavar="LIST",
    )
    text: bool = _option(
        _WHAT, False, "Extract the main text of each page, too: work for processes (crawl)."
    )
    mock_latency: float = _option(
        _WHAT,
        0.1,
        "Seconds before the mock web's first byte, without a named experiment.",
        least=0,
        most=60,
        unit=SECONDS,
    )
    width: int = _option(
        _WHAT,
        100,
        "Requests in flight without a named experiment (sequential: 1); with call, calls.",
        least=2,
        most=10_000,
    )
    call: str = _option(
        _OWN, "", "Function to call: package.module:function or file.py:function.", metavar="NAME"
    )
    async_call: str = _option(
        _OWN,
        "",
        "Async function that does the same, to call on an event loop.",
        metavar="NAME",
        short="--async",
    )
    inputs: str = _option(
        _OWN,
        "",
        "File with one argument per line, as text or, in .jsonl, as JSON (default: no argument).",
        metavar="FILE",
    )
    python: tuple[str, ...] = _option(
        _WHAT, (), "Measure with this interpreter as well; repeatable.", metavar="PATH"
    )
    quick: bool = _option(_HOW, False, "Small work and few rounds; everything in 10 minutes.")
    full: bool = _option(_HOW, False, "Large work and many rounds; everything in some hours.")
    budget: float = _option(
        _HOW,
        0.0,
        "Total time, in minutes (0: 30 s, or as --quick and --full); 5 rounds at least by name.",
        least=0,
        most=10_000,
        unit=MINUTES,
        short="--in",
    )
    rounds: int = _option(
        _HOW, 0, "Number of rounds (0: as many as there is time for).", least=0, most=1_000
    )
    sabotage: Percentage = _option(
        _HOW,
        _NONE,
        "Slow one side of each experiment by this share, to see that it is detected.",
        metavar="5%",
    )
    seed: int = _option(_HOW, 0, "Seed of the order of turns and of all random values.")

    def __post_init__(self) -> None:
        self.settle()
        if self.quick and self.full:
            raise OptionError("full", "give --quick or --full, not both")
        for name in ("async_call", "inputs"):
            if getattr(self, name) and not self.call:
                raise OptionError(name, "needs a function to call (crawler compare call NAME)")

    @property
    def mode(self) -> Mode:
        """The thoroughness: quick, normal or full."""
        return "quick" if self.quick else "full" if self.full else "normal"

    @property
    def answer_seconds(self) -> float:
        """The time of the comparison without an experiment's name."""
        return self.budget * 60 or ANSWER_SECONDS

    def seconds(self, experiments: int) -> float:
        """Return the seconds of one of so many experiments."""
        if self.budget:
            return self.budget * 60 / max(experiments, 1)
        return _SECONDS[self.mode]
