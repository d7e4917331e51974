"""The file of `--audit`: a line a host, and a disk that gives way is told once, at the end."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from crawler.core.audit import Audit
from crawler.model.errors import EnvironmentFailure
from crawler.store.log import AuditLog


def test_a_line_a_host(tmp_path: Path) -> None:
    """What happened to a host stands in its line, whole when the file is closed."""
    audit = Audit("http://a.example")
    for at in (1.0, 1.5, 1.75):
        audit.started(at, 2)
    log = AuditLog(str(tmp_path / "audit.jsonl"))
    log.put(audit)
    log.put(Audit("http://b.example"))
    log.close()
    first, second = map(json.loads, (tmp_path / "audit.jsonl").read_text().splitlines())
    assert (first["host"], first["requests"], first["smallest_gap"]) == (audit.host, 3, 0.25)
    assert first["most_in_flight"] == 2
    assert (second["requests"], second["smallest_gap"]) == (0, None)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
def test_a_full_disk_is_told_at_the_end() -> None:
    """However many hosts there are, no write raises in the midst of the crawl."""
    log = AuditLog("/dev/full")
    for number in range(10_000):
        log.put(Audit(f"http://h{number}.example"))
    with pytest.raises(EnvironmentFailure, match=r"/dev/full: cannot be written: No space left"):
        log.close()


def test_a_place_that_is_none_is_told_at_once(tmp_path: Path) -> None:
    """A directory that is missing is an error of one line that names the file."""
    with pytest.raises(EnvironmentFailure, match=r"missing.* does not exist"):
        AuditLog(str(tmp_path / "missing" / "audit.jsonl"))
