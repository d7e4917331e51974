"""The commands `crawler compare`, and below it: run experiments, show and repeat a result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import orjson
from cyclopts import App, Parameter

from crawler.cli import toml
from crawler.cli.compare import compare_session
from crawler.cli.compare.compare_session import Folder, results_of
from crawler.cli.compare.compare_spelling import COMPARE
from crawler.cli.crawl_flags import config_file, switch, with_options
from crawler.cli.help_text import HELP_FLAGS, VERSION_FLAGS
from crawler.cli.layout import explained
from crawler.compare import catalogue
from crawler.compare.compare_config import CompareConfig
from crawler.compare.comparison_result import ComparisonResult
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
    live: Annotated[
        int | None,
        Parameter(
            help="Show the progress in a browser, on this port of 127.0.0.1; 0 takes a free one.",
            group=_RESULT,
            metavar="PORT",
            show_default=False,
        ),
    ] = None
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
    result = compare_session.perform(
        settled, names, folder, json=wanted.json, quiet=wanted.quiet, live=wanted.live
    )
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
    names = _meant(words, config)
    if config.text and [*names] != [_CRAWL]:
        raise ConfigurationError("--text is for the experiment crawl: crawler compare crawl --text")
    return names


def _meant(words: Sequence[str], config: CompareConfig) -> Sequence[str]:
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


RERUN_USAGE = "Usage: crawler compare rerun REPORT [OPTIONS]"
RERUN_HELP = (
    "Repeat a comparison from its results.json (or the directory that holds it): the same "
    "experiments, options and seed. Says what came out otherwise than then."
)
PAGE_USAGE = "Usage: crawler compare report REPORT"
PAGE_HELP = (
    "Write report.html from a results.json (or the directory that holds it), next to it. A "
    "comparison that was killed leaves what its finished experiments found."
)


def report(
    report: Annotated[
        str, Parameter(name="REPORT", help="A directory of --report.", group=_RESULT)
    ],
    /,
) -> int:
    """Write the page, also of a file that a kill has left; `PAGE_HELP` describes it."""
    path = results_of(report)
    result = ComparisonResult.read(path)
    folder = Folder(str(path.parent))
    folder.check()
    folder.draw(result)
    print(f"report: {folder.report}")
    return ExitCode.FINISHED


def rerun(
    report: Annotated[str, Parameter(name="REPORT", help="A directory of --report.")],
    /,
    *,
    into: Annotated[
        str,
        Parameter(
            name="--report",
            help="Leave report.html and results.json in this directory.",
            group=_RESULT,
            metavar="DIR",
            show_default=False,
        ),
    ] = "",
    quiet: Annotated[
        bool, switch("No live line; only what came out otherwise.", _RESULT, "--quiet", "-q")
    ] = False,
) -> int:
    """Repeat a comparison; `RERUN_HELP` describes it."""
    before = ComparisonResult.read(results_of(report))
    result = compare_session.perform(
        before.config, before.asked, Folder(into), json=False, quiet=quiet
    )
    lines = list(changes(before, result))
    print(f"Against {report}, of {before.started}:")
    print("\n".join(lines or ["  every finding came out as then"]))
    return ExitCode(compare_session.exit_code(result))


def changes(before: ComparisonResult, after: ComparisonResult) -> Iterator[str]:
    """Yield a line or two for each finding that came out otherwise than before."""
    if before.machine.processor != after.machine.processor:
        yield f"  another machine: {before.machine.processor}, now {after.machine.processor}"
    if before.machine.python != after.machine.python:
        yield f"  another interpreter: {before.machine.python}, now {after.machine.python}"
    then = dict(_outcomes(before))
    for key, (outcome, text) in _outcomes(after):
        if key in then and then[key][0] != outcome:
            name, interpreter, claim = key
            where = f"{name}, {interpreter}" if interpreter else name
            yield f"  {where}: {claim}"
            yield f"    then {then[key][0]}: {then[key][1]}"
            yield f"    now  {outcome}: {text}"


def _outcomes(
    result: ComparisonResult,
) -> Iterator[tuple[tuple[str, str, str], tuple[str, str]]]:
    """Yield the outcome and the text of each finding: by experiment, interpreter and claim."""
    for examined in result.examined:
        for part in examined.parts:
            label = part.interpreter.label
            for finding in part.findings:
                key = (examined.experiment.name, label, finding.claim)
                yield key, (finding.outcome, finding.text)


_HELP = (
    "Compare async, threads and processes on the same work, and show what the interpreter's "
    "lock does."
)

_USAGE = (
    "Usage: crawler compare [EXPERIMENT...] [OPTIONS]\n"
    "       crawler compare call FUNCTION [OPTIONS]\n"
    "       crawler compare report REPORT\n"
    "       crawler compare rerun REPORT"
)

_EPILOGUE = """\
Without an experiment, sequential, threaded and asynchronous crawls are compared in half a minute; \
with --quick or --full, or the word all, every experiment is run, each configuration in fresh \
processes. The order in each round is drawn by chance; words such as faster rest on intervals. \
Every option can also stand in a file (--config) or in the environment: CRAWLER_COMPARE_BUDGET is \
--budget. Exit code 5 for unequal or failed work, as its comparison cannot be believed.

For example:

  crawler compare                         # which engine, here, in half a minute
  crawler compare --mock-latency 200ms --width 500
  crawler compare --quick --report out/   # everything, in ten minutes
  crawler compare call shop.prices:total --inputs lines.txt
  crawler compare demo                    # who holds the lock when, as a picture
  crawler compare cpu race --rounds 10
  crawler compare --urls list.txt --python python3.14
  crawler compare noise --sabotage 5%     # would it find a difference?
"""

app = App(
    name="compare",
    help=_HELP,
    usage=_USAGE,
    help_epilogue=_EPILOGUE,
    default_command=compare,
    version_flags=VERSION_FLAGS,
    help_flags=HELP_FLAGS,
)
for command, text, usage in (
    (call, CALL_HELP, CALL_USAGE),
    (report, PAGE_HELP, PAGE_USAGE),
    (rerun, RERUN_HELP, RERUN_USAGE),
):
    app.command(command, help=text, usage=usage, help_epilogue="")
