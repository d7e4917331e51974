"""Whether a process ends, waited for without a sleep."""

from __future__ import annotations

import os
import select


def ends(pid: int) -> bool:
    """Whether a process has ended, or does so within half a minute."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 30)[0])
    finally:
        os.close(descriptor)
