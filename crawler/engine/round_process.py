"""The process of one attempt at a round: `python -m crawler.engine.round_process DESCRIPTOR`.

It is started by a worker of the cluster (`crawl_round`), tells it what there is to say, and at last
a `RoundEnd`. Once the worker has gone it ends at once, and it ends by itself when it loses its
lease: so a worker may die, hang or be replaced, and nobody crawls in its stead but one. The worker
ends it, too, if another attempt has begun, as a process that was stopped cannot do that itself.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback

from crawler.engine.lease import attempts
from crawler.engine.round_attempt import RoundCall, RoundEnd, attempt_by, attempted
from crawler.model.errors import CrawlerError, EnvironmentFailure, ExitCode
from crawler.runtime import limits
from crawler.runtime.companion import Companion, ProcessLine, heard_first
from crawler.store.object_place import place_at
from crawler.store.round_place import RoundPlace

_log = logging.getLogger("crawler.rounds")


def crawl_round(call: RoundCall) -> RoundEnd:
    """Crawl a round in a process of its own; what an executor calls.

    Arguments and result are plain values. Raises `EnvironmentFailure` if the process dies.
    """
    place = place_at(call.place)
    process = Companion.start("crawler.engine.round_process", str(call))
    try:
        process.tell(call)
        while True:
            if not heard_first([process], call.lease):
                if _replaced(place, call, process.pid):
                    process.kill()
                continue
            match process.hear():
                case str() as line:
                    _log.info("%s: %s", call, line)
                case RoundEnd() as end:
                    return end
                case _:
                    raise EnvironmentFailure(f"{call}: {process.obituary()}")
    finally:
        process.kill()
        process.bury()
        for attempt in _attempts_of(place, call, process.pid):  # nobody has to wait for it
            place.create(f"{call.folder}/over-{attempt}", b"")


def _attempts_of(place: RoundPlace, call: RoundCall, pid: int) -> list[int]:
    own = attempt_by(pid)
    found = attempts(place, call.folder)
    return [each for each in found if place.read(f"{call.folder}/attempt-{each}") == own]


def _replaced(place: RoundPlace, call: RoundCall, pid: int) -> bool:
    """Return whether an attempt was begun after that of a process."""
    mine = _attempts_of(place, call, pid)
    return bool(mine) and attempts(place, call.folder)[-1] > mine[-1]


def main() -> int:
    """Run one attempt; return the exit code."""
    parent = ProcessLine.to_parent()
    call: RoundCall | None = parent.hear()
    if call is None:
        return ExitCode.ENVIRONMENT
    threading.Thread(target=_follow, args=(parent,), name="round-parent", daemon=True).start()
    limits.share(call.sharing)
    end = _ended(call, parent)
    parent.tell(end)
    return ExitCode.FAILURES if end.error else ExitCode.FINISHED


def _follow(parent: ProcessLine) -> None:
    while parent.hear() is not None:
        pass
    os._exit(ExitCode.ENVIRONMENT)


def _ended(call: RoundCall, parent: ProcessLine) -> RoundEnd:
    try:
        copied = f"{os.path.dirname(call.place)}/input"
        if os.path.exists(copied):  # of standard input
            with open(copied, "rb") as file:
                os.dup2(file.fileno(), 0)
        manifest = attempted(call, announce=parent.tell)
        return RoundEnd(manifest=manifest)
    except CrawlerError as error:
        return RoundEnd(error=str(error), exit_code=error.exit_code)
    except Exception as error:
        traceback.print_exc()  # into the worker's log; the driver gets one line
        return RoundEnd(error=f"{type(error).__name__}: {error}", foreseen=False)


if __name__ == "__main__":
    sys.exit(main())
