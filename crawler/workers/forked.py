"""What a fork server does in each process it forks, before that runs anything; its first preload.

The server itself blocks the signals that end a command (`spawning`), and what it forks has the
mask from it. A program that crawls may have pools of its own behind the same server, and
`terminate` is how an executor ends their workers: SIGTERM is let through.
"""

from __future__ import annotations

import os
import signal


def _let_through() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


os.register_at_fork(after_in_child=_let_through)
