"""The requests made to each host, as JSON lines: `--audit FILE`.

A host's line is written when the host is evicted; the last 10,000 are written at the end. A host
that returns later has another line: the gap between the two is in neither.
"""

from __future__ import annotations

import orjson

from crawler.core.audit import Audit
from crawler.store.log import LineLog


class AuditLog(LineLog):
    """Writes the audit."""

    def put(self, audit: Audit) -> None:
        """Add a host."""
        self.add(orjson.dumps(audit.json) + b"\n")
