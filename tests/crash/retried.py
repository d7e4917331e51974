"""Kill `crawler retry` anywhere in its writes, and run it again.

All along, the output is the old one, byte by byte, or the new one; in the end each URL has one
record, and none that failed for a reason that may pass. Plain and packed files, and directories of
parts.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path

from crawler.cli import crawl_run
from crawler.cli.app import run
from crawler.cli.crawl_run import open_crawl
from crawler.engine.plugins import Plugins
from tests.cli.test_retry import Crawled
from tests.crash.crawl import KILLED, LEAST, in_child, killed_at, often, unpacked

FORMS = ("jsonl", "jsonl.gz", "jsonl.zst", "parts")
_MOST = 60  # kills of one retry before it has to come to its end


def kill_retries(number: int, draw: random.Random) -> str:
    """Kill so many retries, and tell of it; return what is wrong, or ""."""
    kills: Counter[str] = Counter()
    retries = 0
    while kills.total() < number:
        form = FORMS[retries % len(FORMS)]
        with tempfile.TemporaryDirectory() as name:
            if problem := _retried(Path(name), form, draw, kills):
                return f"retry of {form}: {problem}"
        retries += 1
    text = f"{kills.total():,} kills in {retries:,} retries: nothing lost, nothing repeated"
    print(text, flush=True)
    return ""


def _retried(folder: Path, form: str, draw: random.Random, kills: Counter[str]) -> str:
    """Crawl, and retry until a retry comes to its end; return what is wrong, or ""."""
    made = Crawled(folder, "jsonl" if form == "parts" else form)
    in_child(made.crawl)
    if form == "parts":
        _split(made)
    old = _contents(made.output)
    for _ in range(_MOST):
        least = draw.choice(LEAST)
        code = in_child(partial(_retry, made, draw.randrange(1, 30), draw.choice(_WHERE), least))
        now = _contents(made.output)
        if code != KILLED:
            break
        kills[form] += 1
        if set(now) != set(old) or any(not _whole(data) for data in now.values()):
            return "the output is neither the old one nor the new one"
    else:
        return "does not come to its end"
    if code:
        return f"exit code {code}"
    records = [json.loads(line) for data in now.values() for line in unpacked(data).splitlines()]
    urls = Counter(record["url"] for record in records)
    wanted = {
        json.loads(line)["url"] for data in old.values() for line in unpacked(data).splitlines()
    }
    if urls.keys() != wanted or urls.total() != len(wanted):
        return f"{urls.total()} records for {len(wanted)} URLs"
    left = [record["url"] for record in records if record["kind"] == "connect"]
    return f"not retried: {left[:3]}" if left else _remains(made.output)


_WHERE = ("before", "middle", "after")


def _retry(made: Crawled, at: int, how: str, least: int) -> int:
    often(least)
    made.site.down = False
    crawl_run.open_crawl = partial(open_crawl, plugins=Plugins(fetcher=made.site))
    killed_at(at, how)
    words = ["--allow-private", "--robots", "ignore", "--delay", "0", "--ip-delay", "0"]
    words += ["--per-ip", "0", "--parse", "inline", "--loop", "asyncio", "--retries", "0"]
    return run(["retry", str(made.output), "--quiet", "--sync", "none", *words])


def _split(made: Crawled) -> None:
    """Make a directory of three parts of the output."""
    lines = made.output.read_bytes().splitlines(keepends=True)
    made.output = made.output.with_name("out")
    made.output.mkdir()
    for number in range(3):
        (made.output / f"part-{number:05}.jsonl").write_bytes(b"".join(lines[number::3]))


def _contents(output: Path) -> dict[Path, bytes]:
    paths = sorted(output.iterdir()) if output.is_dir() else [output]
    return {path: path.read_bytes() for path in paths}


def _whole(data: bytes) -> bool:
    """Whether a file ends with a whole record; an archive that is torn raises."""
    text = unpacked(data)
    return not text or text.endswith(b"\n")


def _remains(output: Path) -> str:
    found = [path.name for path in output.parent.iterdir() if ".retry" in path.name]
    return f"left behind: {found}" if found else ""
