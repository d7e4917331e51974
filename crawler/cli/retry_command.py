"""`crawler retry`: crawl again what failed for reasons that may pass."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from crawler.cli import toml
from crawler.cli.crawl_flags import config_file, lists, with_options
from crawler.cli.crawl_spelling import CRAWL
from crawler.cli.unit_formats import counted
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, EnvironmentFailure, ExitCode
from crawler.model.outcome import Kind
from crawler.model.output import printable
from crawler.runtime.space import allow_address_space
from crawler.store.object_store import is_object

if TYPE_CHECKING:
    from crawler.engine.reopening import Reopening
    from crawler.engine.retried_requests import RetriedRequests

USAGE = "Usage: crawler retry OUT [OPTIONS]"
HELP = (
    "Crawl again what failed for reasons that may pass, and replace those records.\n\n"
    f"These are: {', '.join(sorted(kind.value for kind in Kind if kind.may_pass))}.\n\n"
    "The crawl has the options of the one that wrote OUT, as its receipt tells, except for secrets "
    "(--header, --proxy); options given here go before them. The new records are collected in "
    "OUT.retry/ and replace the old ones at the end, in one step. Stopped or killed, the same "
    "command continues; until then OUT is as it was. --overwrite begins the retry anew.\n\n"
    "Requests with a method, headers or a body need their list again (-i), as no record has those. "
    "POST and PATCH that may have reached the server are left alone without --repeat-unsafe.\n\n"
    "Exit codes, by all records of OUT, old and new: 0 finished, or nothing to retry; 1 none was "
    "fetched, or more failed than --fail-above allows; 2 invalid usage; 3 environment (disk, "
    "input); 130, 143, 129 ended by SIGINT, SIGTERM, SIGHUP.\n\n"
    "For example:\n\n"
    "  crawler retry out.jsonl\n"
    "  crawler retry out.jsonl.zst --timeout 2m --retries 5\n"
    "  crawler retry out.jsonl -i targets.jsonl\n"
)
_INPUT = CRAWL.group("Input")
_OWN = {
    "overwrite": False,
    "append": False,
    "state": "",
    "workers": 1,
    "cluster": "",
    "partitions": 0,
    "sitemap": (),
    "sitemaps": False,
    "limit": 0,
}
"""Options that a retry does not have, whatever a file or the environment says."""


@with_options(CRAWL, show=False)
def retry(
    output: Annotated[
        str, Parameter(name="OUT", help="Output of a crawl that has ended.", group=_INPUT)
    ],
    /,
    *,
    input: Annotated[tuple[str, ...], lists(_INPUT)] = (),
    config: Annotated[str | None, config_file(CRAWL, _INPUT, "; or a preset")] = None,
    **options: object,
) -> int:
    """Retry and return the exit code; `HELP` is the help text."""
    from crawler.engine.reopening import Reopening

    if is_object(output):
        raise ConfigurationError(
            f"{output}: a retry replaces files on this machine; copy the parts here, retry that "
            "directory, and copy them back"
        )
    if not os.path.exists(output):
        raise EnvironmentFailure(f"{output}: no such file; name the output of a crawl")
    reopening = Reopening(output)
    known = CRAWL.options
    earlier = reopening.earlier()
    if earlier.get("others"):
        raise ConfigurationError(
            f"{output}: its crawl had other outputs, which would not be renewed"
        )
    under = {**earlier.get("options", {}), **earlier.get("given", {})}
    under = {name: value for name, value in under.items() if name in known}
    settled = toml.settle(CRAWL, config, options, under)
    _refuse_unfinished(output, settled)
    with _claimed(output):
        return _retry(reopening, input, settled)


@contextmanager
def _claimed(output: str) -> Iterator[None]:
    """Keep other crawls away from the output while the block runs."""
    from crawler.store.claim import Claim, lock

    if os.path.isdir(output):
        number = os.open(output, os.O_RDONLY | os.O_CLOEXEC)
        try:
            lock(number, output)
            yield
        finally:
            os.close(number)
        return
    claim = Claim(output, "add")
    try:
        yield
    finally:
        claim.release()


def _refuse_unfinished(output: str, config: CommandConfig) -> None:
    from crawler.engine.rounds_standing import standing_of

    if standing_of(config.state or output).stage in ("running", "stopped"):
        raise ConfigurationError(
            f"{output}: its crawl has not ended; run the same command again first, and then retry"
        )


def _retry(reopening: Reopening, inputs: Sequence[str], given: CommandConfig) -> int:
    from crawler.engine.retried_requests import RetriedRequests

    config = given.updated({name: _OWN[name] for name in _OWN if name in given.values()})
    if reopening.begun and given.overwrite:
        reopening.discard()
    if reopening.begun:
        reopening.check()
    else:
        requests = RetriedRequests(inputs, config)
        parts = reopening.passing(requests)
        _say_left(config, reopening.output, requests)
        if not parts:
            reopening.discard()  # what a run that was killed at its very end has left
            _say(config, f"{reopening.output}: nothing to retry: no reason of a failure may pass")
            return ExitCode.FINISHED
        reopening.open(parts, requests, config)
    code: int = ExitCode.FINISHED
    if not reopening.ended:
        code = _crawl(reopening, config)
    if reopening.ended:
        receipt = reopening.replace()
        records, read = counted(receipt["records"], "record"), receipt["read"] + receipt["found"]
        _say(config, f"{reopening.output}: replaced; it has {records} for {read:,} URLs")
    return code


def _say_left(config: CommandConfig, output: str, requests: RetriedRequests) -> None:
    """Tell of failures that may pass and are left alone."""
    if number := requests.unlisted:
        what = "-i has no such request" if requests.inputs else "-i LIST gives those again"
        _say(config, f"{output}: {number:,} with a method, headers or a body are left: {what}")
    if number := requests.sent:
        _say(
            config,
            f"{output}: {number:,} may have reached their server and are left; --repeat-unsafe "
            "sends them again",
        )


def _crawl(reopening: Reopening, config: CommandConfig) -> int:
    """Crawl into the copy, as any crawl that continues."""
    allow_address_space(config.concurrency if config.engine == "threaded" else 0)
    from crawler.cli.crawl_run import Order, Parts, open_crawl, run

    draft = str(reopening.draft)

    def opened(order: Order, say: Callable[[str], None]) -> Parts:
        begun, shown = f"continuing {draft}", f"retrying {reopening.output}"
        return open_crawl(order, lambda text: say(text.replace(begun, shown)))

    return run(Order(config=config, seeds=[], inputs=[], output=draft), opened)


def _say(config: CommandConfig, text: str) -> None:
    if not config.quiet:
        print(printable(text), file=sys.stderr)
