"""Crawls whose parser processes, fork server and resource tracker are killed, at random.

    python -m tests.workers.killing [RUNS [SEED]]

Each run crawls a mock web with a parser that kills, for pages drawn by chance: its own process
after some bytes of an answer, the fork server, the resource tracker, or both. Then the run has to
end within `LATE` seconds of its last record, with each URL's record once, and nothing left of it:
no process, no folder, and no complaint of the tracker's.
"""

from __future__ import annotations

import concurrent.futures.process as pool
import json
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import monotonic
from typing import Any

from crawler.mock import MockWeb, running
from crawler.model.document import RawResponse
from tests.patience import PATIENCE, until
from tests.unmannered import WORDS

LATE = 3.0
"""Seconds from the last record to the end."""

PAGES = 24
_ROOT = Path(__file__).parents[2]
_ANSWER = struct.pack("!i", 100_000) + bytes(100_000)
_DEEDS = ("answer", "answer", "answer", "server", "tracker", "both")


def parse(response: RawResponse) -> dict[str, str]:
    """A user's parser that does, once for each URL, what the plan in the environment says."""
    plan = Path(os.environ["KILLING"])
    deeds = json.loads((plan / "plan.json").read_text())
    number = response.url.rpartition("/")[2]
    if number in deeds:
        try:
            (plan / f"done-{number}").touch(exist_ok=False)
        except FileExistsError:
            return {"said": "again"}
        _do(*deeds[number])
    return {"said": "whole"}


def _do(deed: str, cut: int) -> None:
    if deed in ("server", "both"):
        os.kill(os.getppid(), signal.SIGKILL)
    if deed in ("tracker", "both"):
        for pid in _children(_crawler()):
            if "resource_tracker" in _command(pid):
                os.kill(pid, signal.SIGKILL)
    if deed == "answer":
        pool._sendback_result = lambda queue, *_a, **_k: _cut_short(queue, cut)  # type: ignore[attr-defined]


def _crawler() -> int:
    import multiprocessing

    crawler = multiprocessing.parent_process()
    return crawler.pid or 0 if crawler is not None else 0


def _cut_short(queue: Any, cut: int) -> None:
    os.write(queue._writer.fileno(), _ANSWER[:cut])
    os.kill(os.getpid(), signal.SIGKILL)


def _children(pid: int) -> list[int]:
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            stat = Path("/proc", name, "stat").read_text()
        except OSError:
            continue
        if int(stat[stat.rindex(")") + 2 :].split()[1]) == pid:
            found.append(int(name))
    return found


def _command(pid: int) -> str:
    try:
        return Path("/proc", str(pid), "cmdline").read_text()
    except OSError:
        return ""


def left_over(folder: Path) -> list[str]:
    """What a run has left: folders, and processes that have its plan in their environment."""
    found = [path.name for path in folder.iterdir()]
    mark = f"TMPDIR={folder}\0".encode()
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if mark in Path("/proc", name, "environ").read_bytes():
                found.append(_command(int(name)))
        except OSError:
            continue
    return found


def one(seed: int, urls: list[str], engine: str, late: float = LATE) -> list[str]:
    """Crawl once; returns what is wrong. late: seconds from the last record to the end."""
    draw = random.Random(f"{seed} {engine}")
    chosen = draw.sample(urls, draw.randint(1, 4))
    deeds = {
        url.rpartition("/")[2]: (draw.choice(_DEEDS), int(2 ** draw.uniform(0, 16)) - 1)
        for url in chosen
    }
    with tempfile.TemporaryDirectory() as place:
        plan, temporary = Path(place, "plan"), Path(place, "tmp")
        plan.mkdir()
        temporary.mkdir()
        (plan / "plan.json").write_text(json.dumps(deeds))
        listed = plan / "list.txt"
        listed.write_text("\n".join(urls))
        words = [*WORDS, "-i", str(listed), "--engine", engine, "--parse", "process"]
        words += ["--parser", "tests.workers.killing:parse"]
        words += ["--parse-batch", str(draw.randint(1, 8))]
        return [f"{deeds}: {wrong}" for wrong in _crawl(words, plan, temporary, urls, late)]


def _crawl(
    words: list[str], plan: Path, temporary: Path, urls: list[str], bound: float
) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "TMPDIR": str(temporary)}
    errors = plan / "errors"
    with errors.open("wb") as said, subprocess.Popen(
        [sys.executable, "-m", "crawler", "crawl", *words],
        stdout=subprocess.PIPE,
        stderr=said,
        env={**environment, "KILLING": str(plan)},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        records, last = [], monotonic()
        for line in process.stdout:
            records.append(json.loads(line))
            last = monotonic()
        code, late = process.wait(PATIENCE), monotonic() - last
    found = _wrong(records, urls, code, errors.read_text(), temporary)
    return [*found, *([f"ended {late:.1f} s after its last record"] if late > bound else [])]


def _wrong(
    records: list[dict[str, Any]], urls: list[str], code: int, said: str, folder: Path
) -> list[str]:
    found = []
    if (counts := Counter(record["url"] for record in records)) != Counter(urls):
        found.append(f"records: {counts}")
    kinds = Counter(record.get("kind") or record["outcome"] for record in records)
    if set(kinds) - {"page", "parse_crash"}:
        found.append(f"kinds: {kinds}")
    if code:
        found.append(f"exit code {code}")
    if "resource_tracker" in said or "no parser worker starts" in said:
        found.append(f"said: {said}")
    if not until(lambda: not left_over(folder)):  # they end when they notice that it has ended
        found.append(f"left: {left_over(folder)}")
    return found


def main() -> int:
    """Run as often as asked, and tell how many were wrong."""
    runs, seed = (int(word) for word in (*sys.argv[1:], "100", "0")[:2])
    wrong = 0
    with running(MockWeb(pages=PAGES)) as web:
        urls = list(web.urls())
        for number in range(runs):
            for problem in one(seed + number, urls, ("async", "threaded")[number % 2]):
                wrong += 1
                sys.stdout.write(f"run {number}: {problem}\n")
                sys.stdout.flush()
    sys.stdout.write(f"{runs} runs, {wrong} things wrong\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
