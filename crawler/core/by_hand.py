"""What a person asks of a running crawl. The core decides, and both engines carry it out."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from crawler.core.waiting import WaitingHost
from crawler.model.value import value

SHOWN = 100
"""Hosts of each kind that are shown: with the most URLs, the slowest, with the most in flight."""


class Command(StrEnum):
    """The kinds of requests."""

    PAUSE = "pause"  # start nothing; what is in flight ends
    RESUME = "resume"
    SLOWER = "slower"  # a third fewer requests at once
    FASTER = "faster"  # half as many again, up to --concurrency
    SKIP = "skip"  # leave a host alone for good
    STOP = "stop"  # as Ctrl-C


@value(frozen=True, slots=True)
class CrawlControl:
    """One request; `host` is the key of the host to skip."""

    command: Command
    host: str = ""


@value(frozen=True, slots=True, kw_only=True)
class ShownHost(WaitingHost):
    """A host at work: `requests` so far, and the seconds of its recent answers (0 if unknown)."""

    requests: int = 0
    latency: float = 0.0


_OPPOSITE = {
    Command.PAUSE: Command.RESUME,
    Command.RESUME: Command.PAUSE,
    Command.SLOWER: Command.FASTER,
    Command.FASTER: Command.SLOWER,
}


def in_force(asked: Sequence[CrawlControl], control: CrawlControl) -> list[CrawlControl]:
    """Return what is still in force once `control` was asked, too: opposites cancel out."""
    kept = list(asked)
    opposite = _OPPOSITE.get(control.command)
    undone = [n for n, each in enumerate(kept) if each.command is opposite]
    if undone:
        del kept[undone[-1]]
        return kept
    if control.command in (Command.RESUME, Command.FASTER):  # with nothing to undo
        return kept
    again = control in kept and control.command is not Command.SLOWER
    return kept if again else [*kept, control]
