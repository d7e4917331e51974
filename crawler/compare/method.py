"""Tables at the end of the report: where and with what it was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crawler.compare.compare_config import CompareConfig
from crawler.compare.comparison_result import ComparisonResult
from crawler.compare.design import Interpreter
from crawler.measure.quantity import size
from crawler.report.html_page import PageTable


def method(result: ComparisonResult) -> Iterator[PageTable]:
    """Yield tables of machine, interpreters, options and packages."""
    yield PageTable("Machine and interpreter", ("", ""), _machine(result), "words")
    everyone = _interpreters(result)
    if len(everyone) > 1:
        columns = ("interpreter", "version", "lock", "where")
        yield PageTable("Interpreters", columns, map(_interpreter, everyone), "words")
    yield PageTable("Asked for", ("option", "value"), _options(result), "words")
    called = [each.called for each in everyone]
    yield PageTable("Packages", ("package", *called), _packages(everyone), "words")


def _machine(result: ComparisonResult) -> Iterator[tuple[str, str]]:
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


def _interpreters(result: ComparisonResult) -> Sequence[Interpreter]:
    """Return all interpreters that took part, each once."""
    parts = (part for each in result.examined for part in each.parts)
    return list({p.observed.interpreter.called: p.observed.interpreter for p in parts}.values())


def _interpreter(interpreter: Interpreter) -> Sequence[str]:
    given = [f"{name}={value}" for name, value in interpreter.environment.items()]
    lock = "on" if interpreter.gil else "off"
    return interpreter.called, interpreter.version, lock, " ".join([*given, interpreter.path])


def _packages(everyone: Sequence[Interpreter]) -> Iterator[Sequence[str]]:
    """Yield a row for each package with its version for each interpreter."""
    for name in sorted({name for each in everyone for name in each.packages}):
        yield name, *(each.packages.get(name, "none") for each in everyone)


def _options(result: ComparisonResult) -> Iterator[tuple[str, str]]:
    """Yield the experiments, and the options that differ from the defaults."""
    yield "experiments", ", ".join(result.asked)
    yield "mode", result.config.mode
    for name, spec in CompareConfig.options().items():
        value = getattr(result.config, name)
        if value != spec.default and not isinstance(value, bool):
            yield name, ", ".join(value) if isinstance(value, tuple) else str(value)
    yield "seed", str(result.config.seed)
