"""`crawler compare` itself: run experiments, print their results, leave a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import orjson
from cyclopts import Parameter

from crawler.cli import toml
from crawler.cli.compare import compare_session
from crawler.cli.compare.compare_session import Folder
from crawler.cli.compare.compare_spelling import COMPARE
from crawler.cli.crawl_flags import config_file, switch, with_options
from crawler.cli.layout import explained
from crawler.compare import catalogue
from crawler.compare.compare_config import CompareConfig
from crawler.model.errors import ConfigurationError, ExitCode

ALL, _CRAWL = "all", "crawl"
CALL_USAGE = "Usage: crawler compare call package.module:function [--async NAME] [--inputs FILE]"
CALL_HELP = (
    "Call a function of your own over threads, processes, interpreters (Python 3.14) and, with "
    "--async, asyncio: check that the results are equal, and say which wins from which size on."
)
_TITLE = "Every option of a comparison, with its value."
_WHAT, _RESULT = COMPARE.group("What"), COMPARE.group("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOutput:
    """The outputs of a comparison, next to its options."""

    report: Annotated[
        str,
        Parameter(
            help="Leave report.html and results.json in this directory.",
            group=_RESULT,
            metavar="DIR",
            show_default=False,
        ),
    ] = ""
    json: Annotated[bool, switch("Print the result as JSON.", _RESULT)] = False
    quiet: Annotated[bool, switch("Show no progress and no summary.", _RESULT, "--quiet", "-q")] = (
        False
    )
    list: Annotated[bool, switch("List the experiments and exit.", _RESULT)] = False
    schema: Annotated[bool, switch("Print the JSON Schema of results and exit.", _RESULT)] = False
    print_config: Annotated[bool, switch("Print the configuration as TOML and exit.", _RESULT)] = (
        False
    )


@with_options(COMPARE)
def compare(
    *experiments: Annotated[
        str, Parameter(name="EXPERIMENT", help="See --list; or all.", group=_WHAT)
    ],
    config: Annotated[str | None, config_file(COMPARE, _WHAT)] = None,
    wanted: Annotated[CompareOutput, Parameter(name="*")] = CompareOutput(),
    **options: object,
) -> int:
    """Compare, and return the exit code; the app's help describes it."""
    if wanted.list:
        rows = [(e.name, "", e.question) for e in catalogue.every().values()]
        print("\n".join(explained(rows)))
        return ExitCode.FINISHED
    if wanted.schema:
        from crawler.compare.comparison_result import schema

        print(orjson.dumps(schema(), option=orjson.OPT_INDENT_2).decode())
        return ExitCode.FINISHED
    settled = toml.settle(COMPARE, config, options)
    if wanted.print_config:
        print(toml.write(COMPARE, settled, _TITLE), end="")
        return ExitCode.FINISHED
    names = meant(experiments, settled)
    folder = Folder(wanted.report)
    result = compare_session.perform(settled, names, folder, json=wanted.json, quiet=wanted.quiet)
    return compare_session.exit_code(result)


@with_options(COMPARE)
def call(
    function: Annotated[
        str,
        Parameter(
            name="FUNCTION", help="package.module:function or file.py:function.", group=_WHAT
        ),
    ],
    /,
    *,
    config: Annotated[str | None, config_file(COMPARE, _WHAT)] = None,
    wanted: Annotated[CompareOutput, Parameter(name="*")] = CompareOutput(),
    **options: object,
) -> int:
    """Compare the models by a function; `CALL_HELP` describes it."""
    return compare(config=config, wanted=wanted, **{**options, "call": function})


def meant(words: Sequence[str], config: CompareConfig) -> Sequence[str]:
    """Return the experiments meant; raise `ConfigurationError` for an unknown word."""
    everything = config.quick or config.full
    if config.call or catalogue.CALL in words:
        return _called(words, config)
    if config.urls and set(words) - {_CRAWL, catalogue.ANSWER}:
        raise ConfigurationError("--urls is for the experiment crawl, or for none by name")
    _check_free(config, [*words] != [catalogue.ANSWER] if words else everything)
    if not words and not everything:
        return [catalogue.ANSWER]
    if not words:
        return [_CRAWL] if config.urls else catalogue.NAMES
    if ALL in words:
        return catalogue.NAMES
    catalogue.check(words)
    for name in (catalogue.ANSWER, catalogue.DEMO):
        if name in words:
            if len(words) > 1:
                raise ConfigurationError(f"{name} stands alone, and not with other experiments")
            return [name]
    return [name for name in catalogue.NAMES if name in words]


def _called(words: Sequence[str], config: CompareConfig) -> Sequence[str]:
    if not config.call:
        raise ConfigurationError("call: name a function: crawler compare call package.module:name")
    if config.urls or set(words) - {catalogue.CALL}:
        raise ConfigurationError("call is not for experiments and lists: it has its own work")
    return [catalogue.CALL]


def _check_free(config: CompareConfig, named: object) -> None:
    """Refuse the options of the answer where experiments by name are run, which plan their own."""
    default = CompareConfig()
    for name in ("mock_latency", "width"):
        if named and getattr(config, name) != getattr(default, name):
            flag = CompareConfig.options()[name].flag
            raise ConfigurationError(f"{flag} is for `crawler compare` without an experiment")
