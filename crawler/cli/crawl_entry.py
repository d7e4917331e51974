"""What `crawler crawl` does, once its command line was read.

Nothing here needs the command-line library: see `crawler.cli.plain_words`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from crawler.cli import toml
from crawler.cli.crawl_spelling import CRAWL
from crawler.cli.seeds import check
from crawler.cli.telling import show_traceback
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, CrawlerError, ExitCode
from crawler.runtime.space import allow_address_space

LOOPBACK = "127.0.0.0/8"
"""The network of the mock web's hosts."""

TITLE = "Every option of a crawl, with its value."


def begin(
    *seeds: str,
    input: tuple[str, ...] = (),
    mock: int | None = None,
    output: tuple[str, ...] = (),
    config: str | None = None,
    unlimited: bool = False,
    schema: bool = False,
    print_config: bool = False,
    **options: object,
) -> int:
    """Crawl and return the exit code; `options` are those given, by name, in their own types."""
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
    return config.updated({"allow_network": (*config.network.allow_network, LOOPBACK)})


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
