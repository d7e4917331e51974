"""`crawler load selftest`: measure loads whose outcome is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Annotated

import orjson
from cyclopts import Parameter

from crawler.cli.load.load_session import LOAD, measure
from crawler.compare.web import served
from crawler.load.load_config import Engine
from crawler.load.selftest import CASES, Case, Expectation
from crawler.model.errors import ExitCode

HELP = (
    "Measure a mock web with a known stall and known queues, and compare with theory.\n\n"
    "The response latency's p99 must show the stall, the service latency's must not. Exit code 5 "
    "if any figure is out of its bounds. Takes some 15 seconds."
)

_GROUP = LOAD.group("Run")


def selftest(
    *,
    engine: Annotated[
        Engine, Parameter(help="Client to test.", group=_GROUP, metavar="raw|aiohttp")
    ] = "raw",
    json: Annotated[
        bool, Parameter(help="One JSON object.", group=_GROUP, negative="", show_default=False)
    ] = False,
) -> int:
    """Run every case; `HELP` describes it."""
    found: list[tuple[Case, Sequence[Expectation]]] = []
    for case in CASES:
        findings = _measured(case, engine)
        found.append((case, findings))
        if not json:
            print(case.name)
            print("".join(f"  {_line(finding)}\n" for finding in findings), end="", flush=True)
    ok = all(finding.ok for _, findings in found for finding in findings)
    if json:
        cases = [
            {"name": case.name, "findings": [{**asdict(each), "ok": each.ok} for each in findings]}
            for case, findings in found
        ]
        print(orjson.dumps({"ok": ok, "cases": cases}, option=orjson.OPT_INDENT_2).decode())
    else:
        print("the generator can be believed" if ok else "THE GENERATOR CANNOT BE BELIEVED HERE")
    return ExitCode.FINISHED if ok else ExitCode.INVALID


def _measured(case: Case, engine: Engine) -> Sequence[Expectation]:
    words = [word for name, value in case.web.items() for word in (f"--{name}", value)]
    with served(*words) as url:
        load = replace(case.load, engine=engine)
        measured, _, partial = measure(load, [f"{url}/page/0"], quiet=True)
    if partial:
        raise KeyboardInterrupt
    return case.findings(measured)


def _line(finding: Expectation) -> str:
    bounds = f"{_figure(finding.least, finding.unit)} to {_figure(finding.most, finding.unit)}"
    value = _figure(finding.value, finding.unit)
    return f"{'ok ' if finding.ok else 'BAD'}  {finding.name:30} {value:>10}  ({bounds})"


def _figure(value: float, unit: str) -> str:
    return f"{value * 1e3:.3g} ms" if unit == "s" else f"{value:,.0f}{unit}"
