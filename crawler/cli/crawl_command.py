"""`crawler crawl`: fetch a list of URLs, write one record for each."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

from cyclopts import Parameter

from crawler.cli import toml
from crawler.cli.crawl_flags import config_file, lists, quantity, switch, with_options
from crawler.cli.crawl_spelling import CRAWL
from crawler.cli.help_text import UNCOMMON
from crawler.cli.seeds import check
from crawler.cli.telling import show_traceback
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, CrawlerError, ExitCode
from crawler.model.units import BYTES, COUNT, SECONDS
from crawler.runtime.space import allow_address_space

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
_LOOPBACK = "127.0.0.0/8"  # where the mock web's hosts are
TITLE = "Every option of a crawl, with its value."


@with_options(CRAWL)
def crawl(
    *seeds: Annotated[str, Parameter(name="SEED", help="URLs to crawl.", group=_INPUT)],
    input: Annotated[tuple[str, ...], lists(_INPUT)] = (),
    mock: Annotated[
        int | None,
        Parameter(
            help=f"Crawl N pages of a mock web on loopback; implies --allow-network {_LOOPBACK}.",
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
            "No politeness, any address and short timeouts (--config fast-local).",
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
    if schema:
        return _print_schema()
    settled = toml.settle(CRAWL, config, _over(config, options, unlimited=unlimited))
    if print_config:
        print(toml.write(CRAWL, settled, TITLE), end="")
        return ExitCode.FINISHED
    _check_inputs([*seeds, *settled.following.sitemap], input, mock)
    check([*seeds, *_given(options.get("sitemap"))], options, CRAWL.options)
    try:
        with _mock_urls(mock) as urls:
            passing = mock is not None
            return _run(_reaching(settled, mock), [*seeds, *urls], input, output, passing=passing)
    except CrawlerError as error:
        if settled.debug:
            show_traceback(error)
        raise


def _over(config: str | None, options: Mapping[str, object], *, unlimited: bool) -> dict[str, Any]:
    """Return what goes before the file: the flags, and with --unlimited its preset below them.

    Threads do without the preset's client, whichever way they were asked for.
    """
    lifted = toml.read(CRAWL, toml.UNLIMITED) if unlimited else {}
    if options.get("engine") == "threaded":
        lifted["client"] = "aiohttp"
    elif unlimited and config is not None and toml.read(CRAWL, config).get("engine") == "threaded":
        del lifted["client"]
    return {**lifted, **options}


def _given(texts: object) -> Sequence[str]:
    """Return the values of a repeatable option as they were given."""
    return texts if isinstance(texts, list | tuple) else ()


def _reaching(config: CommandConfig, mock: int | None) -> CommandConfig:
    """Return `config`, with the mock web's addresses allowed if --mock was given."""
    if mock is None:
        return config
    return config.updated({"allow_network": (*config.network.allow_network, _LOOPBACK)})


def _run(
    config: CommandConfig,
    seeds: list[str],
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    *,
    passing: bool,
) -> int:
    allow_address_space(config.concurrency if config.engine == "threaded" else 0)
    from crawler.cli.crawl_run import Order, run  # rich, and with it soon aiohttp and the parser

    output, *others = outputs or ("-",)
    order = Order(
        config=config, seeds=seeds, inputs=inputs, output=output, others=others, passing=passing
    )
    return run(order)


def _check_inputs(seeds: Sequence[str], inputs: tuple[str, ...], mock: int | None) -> None:
    for name in inputs:
        if name.startswith("--"):
            raise ConfigurationError(f"--input needs a file, not {name}; ./{name} if it is one")
    if mock is not None and mock < 1:
        raise ConfigurationError(f"--mock: {mock} pages are too few; the minimum is 1")
    if seeds or inputs or mock is not None:
        return
    hint = "" if sys.stdin.isatty() else "; to read stdin, say -i -"
    raise ConfigurationError(f"nothing to crawl: give URLs, or a list with -i FILE{hint}")


@contextmanager
def _mock_urls(pages: int | None) -> Iterator[Iterable[str]]:
    """Yield the URLs of a mock web of `pages` pages that runs as long as the block."""
    if pages is None:
        yield ()
        return
    from crawler.cli.mock.mock_web import running_web

    with running_web(pages) as web:
        yield web.urls()


def _print_schema() -> int:
    import orjson

    from crawler.store.record import schema

    print(orjson.dumps(schema(), option=orjson.OPT_INDENT_2).decode())
    return ExitCode.FINISHED
