"""What `crawler doctor` finds out about one limit of the machine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Gravity(StrEnum):
    """How a limit bears on a crawl with default options."""

    OK = "ok"
    NOTE = "note"  # good to know
    WARNING = "warning"  # it will be slower, or its records less exact
    PROBLEM = "problem"  # it will be refused, or most of its URLs will fail


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitFinding:
    """One limit: the value found, its meaning for a crawl, and the command that raises it."""

    name: str
    gravity: Gravity
    found: str
    means: str
    command: str = ""
