"""Open files: every connection is one, and the usual limit is 1,024."""

from __future__ import annotations

import resource

from crawler.model.errors import ConfigurationError

OTHER_FILES = 256
"""Inputs, outputs, imports, pipes to workers, connections kept alive between uses."""


LOOK_UP_FILES = 1_024
"""A socket for each name look-up: 256 at once, and those given up that go on."""


def allow_connections(connections: int, *, spare: int = 0, option: str = "concurrency") -> None:
    """Raise the soft limit of open files so that `connections` fit, and `spare` files if possible.

    Raises ConfigurationError where the hard limit is too low for the connections.
    """
    needed = connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed + spare:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ConfigurationError(
            f"{option}: {connections} needs {needed} open files and the limit is {hard}; "
            "lower it, or raise `ulimit -n`"
        )
    wanted = needed + spare
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, soft), hard))
