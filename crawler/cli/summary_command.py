"""`crawler summary`: the summary of a crawl from its records alone."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from crawler.cli.crawl_flags import switch
from crawler.cli.telling import complain
from crawler.model.errors import EnvironmentFailure, ExitCode

USAGE = "Usage: crawler summary OUT|- [--json]"
HELP = (
    "Sum up the records of a crawl: outcomes, failures with their cures, times.\n\n"
    "Reads the records alone, so it works for every output, also of a crawl that still runs. The "
    "time is that from the first to the last fetch; repeats of the list have no record.\n\n"
    "Exit codes: 0 finished; 3 unreadable, or torn at its end (what is whole is summed up).\n\n"
    "For example:\n\n"
    "  crawler summary out.jsonl\n"
    "  crawler summary out.jsonl.zst --json | jq .outcomes\n"
    "  crawler crawl -i list.txt | tee out.jsonl | crawler summary -\n"
)


def summary(
    output: Annotated[
        str,
        Parameter(
            name="OUT",
            help="JSON lines of a crawl (.gz, .zst), or its directory, s3:// too; - for stdin.",
            allow_leading_hyphen=True,
        ),
    ],
    /,
    *,
    json: Annotated[bool, switch("Print one JSON object.")] = False,
) -> int:
    """Print the summary and return the exit code; `HELP` is the help text."""
    from crawler.cli.crawl_summary import record_lines, record_values
    from crawler.model.output import dumps
    from crawler.store.written import RecordTally, parts_of, written_lines, written_record

    tally = RecordTally()
    failure: EnvironmentFailure | None = None
    try:
        for part in parts_of(output):
            for line in written_lines(part):
                tally.add(written_record(part, line))
    except EnvironmentFailure as error:
        failure = error
    taken = tally.snapshot()
    if failure is not None:
        complain(failure)
    if json:
        print(dumps(record_values(taken)).decode())
    elif failure is None or taken.records:
        sys.stdout.write(record_lines(taken))
    sys.stdout.flush()
    return failure.exit_code if failure is not None else ExitCode.FINISHED
