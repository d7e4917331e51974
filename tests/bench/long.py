"""A very long crawl without sockets: `python -m tests.bench.long --urls 10000000 --hosts 100000`.

The real core, store and journal, with a fetcher that answers at once. Twenty lines tell, for each
part of the URLs, the rate, CPU a URL and the memory of the process; then the bytes on disk. With
`--follow` the frontier grows: each page links to 16 new ones until there are so many URLs. With
`--resume` the crawl is killed half way, and the same command's first fetch is timed. With
`--workers` each partition tells its own. Needs some 300 bytes of disk a URL.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from crawler.cli.crawl_run import Order, open_crawl, run
from crawler.engine import partition_handle
from crawler.engine.plugins import Plugins
from crawler.model.command_config import CommandConfig
from tests.bench.instant_fetcher import InstantFetcher, url_of
from tests.bench.instant_partition import InstantCompanion
from tests.unmannered import MANNERS_OFF


def _crawl(options: argparse.Namespace) -> int:
    folder = Path(options.folder)
    config = CommandConfig(
        **MANNERS_OFF,
        parse="inline",
        quiet=True,
        retries=0,
        follow=options.follow,
        depth=0,
        scope="any" if options.follow else "host",
        sync=options.sync,
        state="" if options.state else "none",
        workers=str(options.workers),
        stats=str(folder / "stats.json"),
    )
    inputs = [] if options.follow else [str(folder / "list.txt")]
    seeds = [url_of(0, options.hosts)] if options.follow else []
    order = Order(config=config, seeds=seeds, inputs=inputs, output=str(folder / "out.jsonl"))
    if options.workers == 1:
        plugins = Plugins(fetcher=InstantFetcher(options))
        return run(order, lambda o, say: open_crawl(o, say, plugins))
    (folder / "options.json").write_text(json.dumps(vars(options)))
    partition_handle.Companion = InstantCompanion  # type: ignore[misc]
    return run(order)


def _lines(options: argparse.Namespace) -> Iterator[str]:
    return (f"{url_of(number, options.hosts)}\n" for number in range(options.urls))


def main() -> int:
    """Run the crawl in a process of its own, and say what it left on the disk."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.long", description=__doc__)
    parser.add_argument("--urls", type=int, default=1_000_000)
    parser.add_argument("--hosts", type=int, default=100_000)
    parser.add_argument("--follow", action="store_true", help="grow the frontier by links")
    parser.add_argument("--resume", action="store_true", help="kill it half way, and go on")
    parser.add_argument("--no-state", dest="state", action="store_false")
    parser.add_argument("--sync", choices=("full", "none"), default="full")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--kill", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--began", type=float, default=0.0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.resume and options.workers > 1:
        parser.error("--resume kills the one process that there is; leave --workers out")
    if options.folder:
        return _crawl(options)
    with tempfile.TemporaryDirectory(prefix="crawler-long-") as name:
        folder = Path(name)
        if not options.follow:
            with (folder / "list.txt").open("w") as file:
                file.writelines(_lines(options))
        words = [sys.executable, "-m", "tests.bench.long", *sys.argv[1:], "--folder", name]
        if options.resume:
            _run(*words, "--kill", str(options.urls // 2))
            print(f"killed; {_sizes(folder)}; the same command again", flush=True)
        code = _run(*words)
        stats = json.loads((folder / "stats.json").read_bytes())
        print(f"{stats['peak_rss'] / 1e6:,.0f} MB peak in all; {_sizes(folder)}")
    return code


def _run(*words: str) -> int:
    return subprocess.run([*words, "--began", str(time.time())], check=False).returncode


def _sizes(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return ", ".join(f"{path.name} {path.stat().st_size / 1e6:,.1f} MB" for path in files)


if __name__ == "__main__":
    sys.exit(main())
