"""User parsers, good and hostile; what a page does follows from its body."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from crawler.model.document import Response

NOT_A_FUNCTION = 3


def hostile(response: Response) -> Any:
    """A dict for a good page; ruin for the others."""
    match response.body:
        case b"exit":
            os._exit(3)
        case b"kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case b"loop":
            while True:
                pass
        case b"stubborn":
            _loop_whatever_comes()
        case b"sleep":
            time.sleep(1_000)
        case b"raise":
            raise ValueError("not a page of mine\nat all")
        case b"leave":
            raise SystemExit(4)
        case b"list":
            return [1, 2]
        case b"object":
            return {"value": object()}
    return {"length": len(response.body), "pid": os.getpid()}


def _loop_whatever_comes() -> None:
    while True:
        try:
            while True:
                pass
        except BaseException:  # swallows even the alarm: only a kill ends it
            continue
