"""Open files: every connection is one, and the usual limit is 1,024."""

from __future__ import annotations

import resource

from crawler.model.errors import ConfigurationError

OTHER_FILES = 256
"""Inputs, outputs, imports, pipes to workers, connections kept alive between uses."""


def allow_connections(connections: int) -> None:
    """Raise the soft limit of open files so that `connections` fit.

    Raises ConfigurationError where the hard limit is too low for them.
    """
    needed = connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ConfigurationError(
            f"concurrency: {connections} needs {needed} open files and the limit is {hard}; "
            "lower it, or raise `ulimit -n`"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
