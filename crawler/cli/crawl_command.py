"""`crawler crawl`: fetch a list of URLs, write one record for each."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from crawler.cli.crawl_entry import LOOPBACK, begin
from crawler.cli.crawl_flags import config_file, lists, quantity, switch, with_options
from crawler.cli.crawl_spelling import CRAWL
from crawler.cli.help_text import UNCOMMON
from crawler.model.units import BYTES, COUNT, SECONDS

USAGE = "Usage: crawler crawl [SEED ...] [-i FILE|-]... [-o FILE|-] [OPTIONS]"

HELP = (
    "Fetch a list of URLs, with --follow what they link to; write a JSON line each.\n\n"
    "Records go to stdout or a file, everything else to stderr. Every option can also be set in a "
    "file (--config) or the environment: CRAWLER_PER_HOST is --per-host. Flags override the "
    "environment, which overrides the file.\n\n"
    f"TIME is {SECONDS.examples}. SIZE is {BYTES.examples}. N is {COUNT.examples}.\n\n"
    "Exit codes: 0 finished; 1 nothing fetched, or more failed than --fail-above allows; 2 invalid "
    "usage; 3 environment (disk, input); 130, 143, 129 ended by SIGINT, SIGTERM, SIGHUP.\n\n"
    "For example:\n\n"
    "  crawler crawl example.com https://example.org/\n"
    "  crawler crawl https://example.com/ --follow --depth 3 -o out.jsonl\n"
    "  crawler crawl -i list.txt -o out.jsonl.zst --retries 0\n"
    "  zcat list.gz | crawler crawl -i - | jq .title\n"
    "  crawler crawl -i list.csv --url-column link --config polite\n"
    "  crawler crawl --mock 1000 -o crawl.jsonl\n"
)

_INPUT, _OUTPUT = CRAWL.group("Input"), CRAWL.group("Output")


@with_options(CRAWL)
def crawl(
    *seeds: Annotated[str, Parameter(name="SEED", help="URLs to crawl.", group=_INPUT)],
    input: Annotated[tuple[str, ...], lists(_INPUT)] = (),
    mock: Annotated[
        int | None,
        Parameter(
            help=f"Crawl N pages of a mock web on loopback; implies --allow-network {LOOPBACK}.",
            group=_INPUT,
            metavar="N",
            converter=quantity(COUNT, whole=True),
        ),
    ] = None,
    output: Annotated[
        tuple[str, ...],
        Parameter(
            name=["--output", "-o"],
            help="Output: .jsonl, .csv, .parquet, sqlite:x.db, ...; repeatable (default: stdout).",
            group=_OUTPUT,
            negative="",
            show_default=False,
            metavar="FILE|-",
            allow_leading_hyphen=True,
            consume_multiple=False,
        ),
    ] = (),
    config: Annotated[str | None, config_file(CRAWL, _INPUT, "; or a preset")] = None,
    unlimited: Annotated[
        bool,
        switch(
            "No politeness, any address (--config fast-local).",
            CRAWL.group("Politeness"),
        ),
    ] = False,
    schema: Annotated[
        bool, switch("Print the JSON Schema of the records and exit.", _OUTPUT), UNCOMMON
    ] = False,
    print_config: Annotated[
        bool, switch("Print the configuration as TOML and exit.", _OUTPUT), UNCOMMON
    ] = False,
    **options: object,
) -> int:
    """Crawl and return the exit code; `HELP` is the help text."""
    return begin(
        *seeds,
        input=input,
        mock=mock,
        output=output,
        config=config,
        unlimited=unlimited,
        schema=schema,
        print_config=print_config,
        **options,
    )
