"""`crawler compare call`: a function of the user's own, by every model of concurrency."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from crawler.cli.compare.compare_command import CompareOutput, compare
from crawler.cli.compare.compare_spelling import COMPARE
from crawler.cli.crawl_flags import config_file, with_options

USAGE = "Usage: crawler compare call package.module:function [--async NAME] [--inputs FILE]"
HELP = (
    "Call a function of your own over threads, processes, interpreters (Python 3.14) and, with "
    "--async, asyncio: check that the results are equal, and say which wins from which size on."
)
_NOTHING = CompareOutput()


@with_options(COMPARE)
def call(
    function: Annotated[
        str,
        Parameter(
            name="FUNCTION",
            help="package.module:function or file.py:function.",
            group=COMPARE.group("What"),
        ),
    ],
    /,
    *,
    config: Annotated[str | None, config_file(COMPARE, COMPARE.group("What"))] = None,
    wanted: Annotated[CompareOutput, Parameter(name="*")] = _NOTHING,
    **options: object,
) -> int:
    """Compare the models by a function; `HELP` describes it."""
    return compare(config=config, wanted=wanted, **{**options, "call": function})
