"""The end of the report: where and how it was measured, and how to repeat it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from crawler.compare.experiment import Interpreter
from crawler.compare.options import CompareConfig
from crawler.compare.result import Result
from crawler.measure.quantity import size
from crawler.report.page import table

_HOW = """\
Each turn of each arm is a fresh process, so that nothing is left over from the one before.
A round runs each arm once, in an order drawn anew: what troubles the machine favours nobody.
Round 0 warms up files and caches, and counts for nothing.
Memory is of the processes that live at the end of what is measured: each one's peak (RSS), and \
with what they share divided among them (PSS).
How many rounds there are follows from its time and the budget, before any figure is looked at.
Arms that claim equal work must have equal checksums, no errors and no failed turns: else every \
comparison with them is invalid.
An arm's figure is the median of its turns; how far they spread is the median absolute deviation.
Two arms are compared by their ratio within each round; what is told is the geometric mean.
Its interval of 95 % is an expanded percentile bootstrap, of 10,000 samples of the rounds.
Where several comparisons are made at once, their words rest on wider intervals (Holm's \
correction), so that all of them hold together with 95 %.
faster, slower: the interval excludes 1, and the ratio is beyond the noise of the machine.
indistinguishable: the difference, if there is one, is too small to matter.
inconclusive: neither of these; more rounds are needed.
Predictions are written before the run. otherwise: it came out against its prediction.
"""


def method(result: Result) -> Iterator[str]:
    """Sections for machine, options, method and repetition."""
    yield '<section class="experiment" id="method"><h2>How it was measured</h2>'
    yield f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in _HOW.splitlines())}</ul>"
    yield "<h3>To repeat it</h3><p>Here or elsewhere, with the directory that holds this page:</p>"
    yield '<div class="scroll"><pre>crawler compare rerun DIRECTORY</pre></div>'
    yield '</section><section class="tables">'
    yield table("Machine and interpreter", ("", ""), _machine(result), "words")
    everyone = _interpreters(result)
    if len(everyone) > 1:
        columns = ("interpreter", "version", "lock", "where")
        yield table("Interpreters", columns, map(_interpreter, everyone), "words")
    yield table("Asked for", ("option", "value"), _options(result), "words")
    yield table(
        "Packages", ("package", *(each.called for each in everyone)), _packages(everyone), "words"
    )
    yield "</section>"


def _machine(result: Result) -> Iterator[tuple[str, str]]:
    machine = result.machine
    yield "system", machine.system
    yield "processor", machine.processor
    yield "cores", ", ".join(map(str, machine.cores))
    yield "memory", size(machine.memory) if machine.memory else "not told"
    yield "governor", machine.governor or "not told"
    yield "load before", ", ".join(f"{load:.2f}" for load in machine.load_before)
    yield "load after", ", ".join(f"{load:.2f}" for load in result.load_after)
    yield "busy before", f"{machine.busy:.2f} cores"
    yield "Python", machine.python
    yield "its lock (GIL)", "on" if machine.gil else "off"
    yield "switch interval", f"{machine.switch_interval * 1e3:g} ms"
    yield "GC thresholds", ", ".join(map(str, machine.gc_threshold))
    yield from machine.flags.items()
    yield "built with", machine.build or "not told"
    yield "crawler", machine.crawler


def _interpreters(result: Result) -> Sequence[Interpreter]:
    """All that took part, each once."""
    parts = (part for each in result.examined for part in each.parts)
    return list({p.observed.interpreter.called: p.observed.interpreter for p in parts}.values())


def _interpreter(interpreter: Interpreter) -> Sequence[str]:
    given = [f"{name}={value}" for name, value in interpreter.environment.items()]
    lock = "on" if interpreter.gil else "off"
    return interpreter.called, interpreter.version, lock, " ".join([*given, interpreter.path])


def _packages(everyone: Sequence[Interpreter]) -> Iterator[Sequence[str]]:
    """A row a package with its version for each interpreter."""
    for name in sorted({name for each in everyone for name in each.packages}):
        yield name, *(each.packages.get(name, "none") for each in everyone)


def _options(result: Result) -> Iterator[tuple[str, str]]:
    """The experiments, and what differs from the defaults."""
    yield "experiments", ", ".join(result.asked)
    yield "mode", result.config.mode
    for name, spec in CompareConfig.options().items():
        value = getattr(result.config, name)
        if value != spec.default and not isinstance(value, bool):
            yield name, ", ".join(value) if isinstance(value, tuple) else str(value)
    yield "seed", str(result.config.seed)
