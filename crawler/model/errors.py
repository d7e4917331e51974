"""User-facing errors and exit codes.

A failed URL is data (`crawler.model.outcome.Failed`), not an exception. Exceptions stand for an
invalid configuration or a failing environment. Their text is one line: what failed, on what, and
what to do.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of `crawler`; documented in docs/reference/exit-codes.md."""

    FINISHED = 0
    FAILURES = 1  # finished, but nothing was fetched or too many failed
    USAGE = 2  # bad usage or configuration
    ENVIRONMENT = 3  # disk full, port in use, unreadable input
    THRESHOLD = 4  # a valid load run that missed a threshold
    INVALID = 5  # an invalid load run or comparison
    HUNG_UP = 129  # SIGHUP; 128 + the signal's number, as shells have it
    INTERRUPTED = 130  # SIGINT (Ctrl-C), or --max-time
    TERMINATED = 143  # SIGTERM


class CrawlerError(Exception):
    """A one-line message for the user and its exit code."""

    exit_code = ExitCode.ENVIRONMENT


class ConfigurationError(CrawlerError):
    """An invalid option, configuration file or combination of options."""

    exit_code = ExitCode.USAGE


class EnvironmentFailure(CrawlerError):
    """A failure of the machine: disk, files, ports, descriptors."""
