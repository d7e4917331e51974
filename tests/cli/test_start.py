"""What the start of a crawl imports: modules are counted, as seconds depend on the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = """
import json, sys
from crawler.cli import main
code = main(sys.argv[1:])
print(json.dumps([code, *sys.modules]))
"""
_REFUSED = "http://127.0.0.1:9/"
_MOST = 630
_MOST_OWN = 250
_UNUSED = {
    *("cyclopts", "rich", "msgspec", "multiprocessing", "concurrent.futures.process", "sqlite3"),
    *("turbohtml", "selectolax", "trafilatura", "lxml", "pyarrow", "urllib3", "prometheus_client"),
    *("crawler.workers.lanes", "crawler.engine.parallel_run", "crawler.engine.threaded_engine"),
    *("crawler.cli.commands", "crawler.cli.crawl_flags", "crawler.cli.display", "crawler.mock"),
    *("crawler.load", "crawler.compare", "crawler.report", "logging.handlers", "unittest"),
    "opentelemetry",
}
_PARTITIONS_OWN = {
    *("crawler.core.crawl_core", "crawler.engine.crawl_session", "crawler.engine.async_engine"),
    *("crawler.engine.partition", "crawler.engine.rounds", "aiohttp", "uvloop", "asyncio"),
}


def imported(tmp_path: Path, *words: str) -> set[str]:
    """The modules that a crawl of one URL, whose port is closed, has imported in the end."""
    line = ["crawl", _REFUSED, "--allow-network", "127.0.0.0/8", "--retries", "0", *words]
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *line, "-q", "-o", str(tmp_path / "out.jsonl")],
        capture_output=True,
        text=True,
        check=True,
        env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    code, *modules = json.loads(done.stdout)
    assert code == 1, done.stderr  # nothing was fetched
    return set(modules)


@pytest.mark.slow
def test_a_crawl_imports_what_it_uses(tmp_path: Path) -> None:
    """No library of another command, client, executor or format, and no more modules than today."""
    modules = imported(tmp_path)
    assert "aiohttp" in modules
    assert not modules & _UNUSED
    assert len(modules) <= _MOST, sorted(modules)
    own = [name for name in modules if name.startswith("crawler")]
    assert len(own) <= _MOST_OWN, sorted(own)


@pytest.mark.slow
def test_threads_go_without_the_other_client(tmp_path: Path) -> None:
    """The threaded engine has urllib3 alone, and none of what the event loop's needs."""
    modules = imported(tmp_path, "--engine", "threaded")
    assert "urllib3" in modules
    assert not modules & {"aiohttp", "uvloop", "yarl", "cyclopts", "crawler.workers.lanes"}


@pytest.mark.slow
def test_the_parent_of_partitions_goes_without_what_they_crawl_with(tmp_path: Path) -> None:
    """What only partitions need is imported by them alone, and rounds are a cluster's."""
    modules = imported(tmp_path, "--workers", "2")
    assert "crawler.engine.parallel_run" in modules
    assert not modules & _PARTITIONS_OWN
