"""The flags of a load next to its options: its modes, and the files that it leaves.

A file is whole or absent, and known to be writable beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from crawler.cli.crawl_flags import switch
from crawler.cli.load.load_session import LOAD
from crawler.load.load_result import LoadResult
from crawler.measure.hgrm import hgrm
from crawler.model.errors import EnvironmentFailure
from crawler.report.html_page import require
from crawler.store.output_files import check_folder, write_whole

_TARGET, _RESULT = LOAD.group("Target"), LOAD.group("Result")


def _file(help: str) -> Parameter:
    return Parameter(help=help, group=_RESULT, metavar="FILE", show_default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Names of files, "" for none: the result as JSON, the page, and what other programs read."""

    out: Annotated[str, _file("Everything, as JSON.")] = ""
    report: Annotated[str, _file("One HTML file with plots.")] = ""
    hgrm: Annotated[str, _file("Response latencies, as HdrHistogram's percentiles.")] = ""
    junit: Annotated[str, _file("A test case a threshold and check, for build servers.")] = ""
    markdown: Annotated[str, _file("The result for a pull request.")] = ""

    def check(self) -> None:
        """Check that files can be made, before the load rather than after it.

        Raises `EnvironmentFailure` that names the flag.
        """
        for name, path in self._named():
            if Path(path).is_dir():
                raise EnvironmentFailure(f"--{name}: {path} is a directory")
            check_folder(f"--{name}", path)
        if self.report:
            require()

    @property
    def flags(self) -> list[str]:
        """Return the flags of the files that are wanted."""
        return [f"--{name}" for name, _ in self._named()]

    def write(self, result: LoadResult) -> None:
        """Write all that are wanted; raises `EnvironmentFailure` for the first that cannot be.

        One that cannot be written does not cost the others.
        """
        failures = []
        for name, path in self._named():
            try:
                write_whole(path, _text(name, result).encode())
            except EnvironmentFailure as failure:
                failures.append(failure)
        if failures:
            raise failures[0]

    def _named(self) -> Iterator[tuple[str, str]]:
        names = (each.name for each in fields(self))
        yield from ((name, path) for name in names if (path := getattr(self, name)))


_NONE = Outputs()


def _bounds(group: Group, help: str) -> Parameter:
    return Parameter(
        help=help,
        group=group,
        metavar="TEXT",
        negative="",
        consume_multiple=False,
        show_default=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The outputs and modes of a load, next to its options."""

    threshold: Annotated[
        tuple[str, ...],
        _bounds(
            _RESULT,
            "Exit code 4 if missed: 'p99<50ms', 'errors<0.1%', 'TARGET:p99<1s'; repeatable.",
        ),
    ] = ()
    find_limit: Annotated[
        tuple[str, ...],
        _bounds(_TARGET, "Search for the highest rate that keeps a threshold; repeatable."),
    ] = ()
    against: Annotated[
        str,
        Parameter(
            help="Load this URL by turns with the other, and compare.",
            group=_TARGET,
            metavar="URL",
            show_default=False,
        ),
    ] = ""
    mock: Annotated[bool, switch("Load a mock web that runs as long as this load.", _RESULT)] = (
        False
    )
    files: Annotated[Outputs, Parameter(name="*")] = _NONE
    metrics: Annotated[
        int | None,
        Parameter(
            help="Serve Prometheus metrics on this port of 127.0.0.1; 0 takes a free one.",
            group=_RESULT,
            metavar="PORT",
            show_default=False,
        ),
    ] = None
    live: Annotated[
        int | None,
        Parameter(
            help="Show the load in a browser, on this port of 127.0.0.1; 0 takes a free one.",
            group=_RESULT,
            metavar="PORT",
            show_default=False,
        ),
    ] = None
    json: Annotated[bool, switch("Print the result as JSON.", _RESULT)] = False
    quiet: Annotated[bool, switch("Show no progress and no summary.", _RESULT, "--quiet", "-q")] = (
        False
    )
    schema: Annotated[bool, switch("Print the JSON Schema of results and exit.", _RESULT)] = False
    print_config: Annotated[bool, switch("Print the configuration as TOML and exit.", _RESULT)] = (
        False
    )


NOTHING_MORE = Wanted()


def _text(name: str, result: LoadResult) -> str:
    """Return the content of a file; what some runs need alone is imported there."""
    match name:
        case "out":
            return result.text
        case "hgrm":
            return hgrm(result.measured.response)
        case "junit":
            from crawler.load.junit import junit

            return junit(result)
        case "markdown":
            from crawler.load.markdown import markdown

            return markdown(result)
        case _:
            from crawler.load.load_report import report

            return report(result)
