"""Whether a process ends, waited for without a sleep."""

from __future__ import annotations

import os
import select

from tests.patience import PATIENCE


def ends(pid: int) -> bool:
    """Whether a process has ended, or does so."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], PATIENCE)[0])
    finally:
        os.close(descriptor)
