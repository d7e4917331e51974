"""`crawler doctor`: the machine's limits, what they mean for a crawl, and how to raise them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from crawler.cli.crawl_flags import switch
from crawler.model.errors import ExitCode
from crawler.model.output import dumps, printable

if TYPE_CHECKING:
    from crawler.runtime.limit_finding import LimitFinding

USAGE = "Usage: crawler doctor [NAME] [--json]"
HELP = (
    "Check this machine's limits: what each means for a crawl, and how to raise it.\n\n"
    "Checks open files, ports, cores, memory, DNS, IPv6, the clock, trusted certificates, and "
    "proxies in the environment. Only the DNS check sends anything: it looks up NAME.\n\n"
    "Exit codes: 0 a crawl can run, maybe with warnings; 1 there is a problem.\n\n"
    "For example:\n\n"
    "  crawler doctor\n"
    "  crawler doctor intranet.example --json | jq '.[] | select(.gravity != \"ok\")'\n"
)
_WIDTH = 80
_INDENT = 22


def doctor(
    name: Annotated[str, Parameter(name="NAME", help="Name to look up in DNS.")] = "example.com",
    /,
    *,
    json: Annotated[bool, switch("Print a JSON array.")] = False,
) -> int:
    """Print the findings and return the exit code; `HELP` is the help text."""
    from crawler.runtime import machine_limits, surroundings
    from crawler.runtime.limit_finding import Gravity

    found = [
        machine_limits.descriptors(),
        machine_limits.ports(),
        machine_limits.cores(),
        machine_limits.memory(),
        *surroundings.examined(name, os.environ),
    ]
    if json:
        print(dumps([asdict(each) for each in found]).decode())
    else:
        sys.stdout.writelines(f"{printable(line)}\n" for line in lines(found))
    problem = any(each.gravity is Gravity.PROBLEM for each in found)
    return ExitCode.FAILURES if problem else ExitCode.FINISHED


def lines(found: Iterable[LimitFinding]) -> Iterator[str]:
    """Yield the findings for a person, in 80 columns."""
    for each in found:
        head = f"{each.gravity.value:<8} {each.name:<12} "
        command = [f"to do: {each.command}"] if each.command else []
        for number, text in enumerate((each.found, each.means, *command)):
            yield from wrap(
                text,
                _WIDTH,
                initial_indent=" " * _INDENT if number else head,
                subsequent_indent=" " * _INDENT,
                break_long_words=False,
            )
