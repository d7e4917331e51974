"""`python -m tests.bench`: what `make bench` runs.

    python -m tests.bench [--only pages,lag] [--rounds 3] [--quick] [--closed-port-urls N]

Prints a table and writes the raw figures to `bench.json`. A missed target is reported, with a
profile, and is no error; a contestant that does not do its work is.
"""

from __future__ import annotations

import argparse
import compileall
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import crawler
from tests.bench import (
    machine,
    report,
    venv,
    work_closed,
    work_core,
    work_engines,
    work_formats,
    work_lag,
    work_latency,
    work_load,
    work_manners,
    work_mock,
    work_pages,
    work_partitions,
    work_small,
    work_text,
)
from tests.bench.measure import NotDone
from tests.bench.report import Result
from tests.bench.setting import Setting
from tests.real.debian import Unavailable
from tests.real.site import nginx

WORKS: Mapping[str, Callable[[Setting], Result]] = {
    "pages": work_pages.measure,
    "small": work_small.measure,
    "partitions": work_partitions.measure,
    "latency": work_latency.measure,
    "lag": work_lag.measure,
    "closed": work_closed.measure,
    "core": work_core.measure,
    "engines": work_engines.measure,
    "mock": work_mock.measure,
    "load": work_load.measure,
    "manners": work_manners.measure,
    "text": work_text.measure,
    "formats": work_formats.measure,
}
_CLOSED_PORT_URLS = 2_000_000
_QUICK_CLOSED_PORT_URLS = 100_000


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; 0 unless the server, the peers or a contestant failed."""
    options = _options(arguments)
    # pip does so with what it installs; where Python may not, each process would once more.
    compileall.compile_dir(str(Path(crawler.__file__).parent), quiet=1)
    cores = machine.share_two_cores()
    say(f"everything on cores {cores}, {options.rounds} rounds")
    try:
        python = venv.ensure(options.venv)
        described = machine.describe(venv.version(python, "scrapy"))
        results = list(_results(options, python))
    except (Unavailable, OSError) as error:
        print(f"make bench: {error}", file=sys.stderr)
        return 1
    print(report.table([row for result in results for row in result.rows]))
    report.write(options.output, results, described)
    print(f"raw figures: {options.output}")
    return 0 if len(results) == len(options.only) else 1


def say(line: str) -> None:
    """Tell what is going on, on standard error."""
    print(line, file=sys.stderr, flush=True)


def _results(options: argparse.Namespace, python: Path) -> Iterator[Result]:
    """The result of every work that could be measured; the others are said to have failed."""
    with nginx() as site, tempfile.TemporaryDirectory(prefix="crawler-bench-") as name:
        setting = Setting(
            site=site,
            directory=Path(name),
            python=python,
            rounds=options.rounds,
            quick=options.quick,
            closed_port_urls=_closed_port_urls(options),
            say=say,
        )
        for key in options.only:
            say(f"-- {key}")
            try:
                yield WORKS[key](setting)
            except (NotDone, OSError, ValueError) as error:
                say(f"{key} FAILED: {error}")


def _closed_port_urls(options: argparse.Namespace) -> int:
    if options.closed_port_urls is not None:
        return int(options.closed_port_urls)
    return _QUICK_CLOSED_PORT_URLS if options.quick else _CLOSED_PORT_URLS


def _options(arguments: Iterable[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--only", type=_works, default=list(WORKS), help=",".join(WORKS))
    parser.add_argument("--rounds", type=_positive, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--closed-port-urls", type=_positive, default=None)
    parser.add_argument("--output", type=Path, default=Path("bench.json"))
    parser.add_argument("--venv", type=Path, default=Path(".bench-venv"))
    return parser.parse_args(None if arguments is None else list(arguments))


def _works(text: str) -> list[str]:
    chosen = text.split(",")
    if unknown := set(chosen) - WORKS.keys():
        raise argparse.ArgumentTypeError(f"no such work: {', '.join(sorted(unknown))}")
    return chosen


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number


if __name__ == "__main__":
    sys.exit(main())
