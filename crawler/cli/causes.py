"""Failures for a person: the number of each kind, the cure, an example and its reason."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any

from crawler.cli.unit_formats import count
from crawler.core.end_causes import Cause
from crawler.model.command_config import CommandConfig
from crawler.model.outcome import Kind
from crawler.model.output import printable

MOST_KINDS = 6
"""Kinds that are told with an example; the number of each stands among the outcomes."""

_MOST_LINES = 3  # of one example with its reason
_NOT_FAILURES = frozenset({Kind.INTERRUPTED})
_OPENS = re.compile(r"\((--allow-port \d+) opens it\)")  # in the address guard's reasons


def explained(causes: Mapping[str, Cause], config: CommandConfig, width: int) -> Iterator[str]:
    """Yield lines of at most `width` columns about the most frequent kinds."""
    kinds = [kind for kind in causes if kind not in _NOT_FAILURES]
    kinds.sort(key=lambda kind: (-causes[kind].number, kind))
    for kind in kinds[:MOST_KINDS]:
        cause = causes[kind]
        cure = _cure(Kind(kind), cause.reason, config)
        yield from _wrapped(f"{kind} {count(cause.number)}" + (f": {cure}" if cure else ""), width)
        example = printable(f"e.g. {cause.url}: {cause.reason}")
        yield from _wrapped(example, width, indent="  ", max_lines=_MOST_LINES)
    if len(kinds) > MOST_KINDS:
        yield f"and {len(kinds) - MOST_KINDS} other kinds"


def _wrapped(text: str, width: int, *, indent: str = "", **options: Any) -> list[str]:
    return wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent="  ",
        placeholder=" ...",
        break_on_hyphens=False,
        **options,
    )


def _cure(kind: Kind, reason: str, config: CommandConfig) -> str:
    match kind:
        case Kind.BLOCKED_ADDRESS if opens := _OPENS.search(reason):
            return f"{opens[1]} opens that port"
        case Kind.REDIRECT if reason.startswith("more than"):
            return "--max-redirects follows more"
        case Kind.TOO_LARGE | Kind.TIMEOUT if "(--memory)" in reason:
            return "--memory has room for more bodies at once"
        case Kind.TOO_LARGE:
            return f"--max-body {10 * config.network.max_body / 1e6:.0f}MB takes more"
        case Kind.PARSE if config.parsing.custom:
            return f"{config.parsing.custom} failed"
        case Kind.THROTTLED if "Retry-After" in reason:
            return _longer("retry_after_max", config)
        case _ if kind in _LONGER:
            return _longer(_LONGER[kind], config)
        case _:
            return _CURES.get(kind, "")


def _longer(name: str, config: CommandConfig) -> str:
    """Suggest twice the time of an option."""
    seconds = 2 * config.values()[name]
    return f"{config.options()[name].flag} {seconds:g}s waits longer"


_LONGER = {
    Kind.CONNECT_TIMEOUT: "connect_timeout",
    Kind.TIMEOUT: "timeout",
    Kind.PARSE_TIMEOUT: "parse_timeout",
    Kind.HOST_DOWN: "breaker_give_up",
    Kind.THROTTLED: "host_patience",
}
_CURES = {
    Kind.INVALID_URL: "see --input-format and --url-column, unless the list is wrong",
    Kind.UNSUPPORTED_SCHEME: "only http and https are crawled",
    Kind.DNS: "there is no such name; check the spelling",
    Kind.DNS_TEMPORARY: "the name server gave no answer; try these again later",
    Kind.BLOCKED_ADDRESS: "--allow-private opens your own network",
    Kind.CONNECT: "nothing listens there, or a firewall is in the way",
    Kind.PROXY: "check --proxy, or the environment's; --proxy none does without",
    Kind.TLS: "--insecure skips the check of certificates",
    Kind.DISCONNECTED: "--retries 5 tries more often",
    Kind.UNAVAILABLE: "--retries 5 and --backoff 5s try longer",
    Kind.PARSE_CRASH: "the page took the parser's process down",
    Kind.NOT_CACHED: "without --offline it is fetched, and kept for the next time",
    Kind.NOT_ACCEPTED: "--accept leaves this type out",
    Kind.PROTOCOL: "the server does not speak HTTP there, or breaks it",
    Kind.TRAP: "one more of many that are alike; see the --max- options of traps",
    Kind.ROBOTS: "robots.txt forbids it (--robots ignore: your own servers)",
    Kind.EXCLUDED: "its host was skipped by hand (--live)",
    Kind.OUT_OF_SCOPE: "--scope any follows redirects everywhere",
    Kind.CANCELLED: "--drain-timeout leaves what is in flight more time",
    Kind.INTERNAL: "a bug in the crawler; --debug shows where",
}
