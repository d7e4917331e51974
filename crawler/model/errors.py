"""Errors that a person reads, and the exit codes that a shell reads.

Failure of a URL is data (`crawler.model.outcome.Failed`), never an exception. What is left for
exceptions: a configuration that cannot work, and an environment that gives way. Their text is one
line that says what failed, on what, and what to do.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What `crawler` tells the shell; documented in docs/reference/exit-codes.md."""

    FINISHED = 0
    FAILURES = 1  # finished, and nothing was fetched or more failed than is allowed
    USAGE = 2  # bad usage or configuration
    ENVIRONMENT = 3  # disk full, port in use, unreadable input
    THRESHOLD = 4  # a load run can be believed, and missed a threshold
    INVALID = 5  # a load run or a comparison cannot be believed
    HUNG_UP = 129  # SIGHUP; 128 + the signal's number, as shells have it
    INTERRUPTED = 130  # SIGINT (Ctrl-C), or --max-time
    TERMINATED = 143  # SIGTERM


class CrawlerError(Exception):
    """One line for a person, and the exit code that goes with it."""

    exit_code = ExitCode.ENVIRONMENT


class ConfigurationError(CrawlerError):
    """An option, a configuration file or a combination of them that cannot work."""

    exit_code = ExitCode.USAGE


class EnvironmentFailure(CrawlerError):
    """The machine gave way: disk, files, ports, descriptors."""
