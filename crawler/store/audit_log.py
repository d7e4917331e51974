"""What was really done to each host, as JSON lines: `--audit FILE`.

A host has its line when it is forgotten, which the last 10,000 are at the end. One that comes again
after that has another line: the gap between the two is in neither.
"""

from __future__ import annotations

import orjson

from crawler.core.audit import Audit
from crawler.store.log import LineLog


class AuditLog(LineLog):
    """The audit's file."""

    def put(self, audit: Audit) -> None:
        """Add a host."""
        self.add(orjson.dumps(audit.json) + b"\n")
