"""Stop processes of crawls for a while, and take their network away.

Parents, partitions, parsers and what starts them stand still at random times (SIGSTOP), while their
connections are cut or not, and then go on. Networks of crawls with three partitions are those of
their servers, which go away one after the other and come back once that is noticed. In the end each
URL has one record, and where the network was gone it is that of a page.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import closing, suppress
from itertools import count
from pathlib import Path

from tests.crash.ledger import targets
from tests.crash.processes import Web, below, wrong
from tests.unmannered import WORDS

_KINDS = (
    ("--workers", "2", "--parse", "process", "--parse-workers", "1"),
    ("--engine", "threaded", "--parse", "process", "--parse-workers", "2"),
    ("--workers", "3", "--engine", "threaded"),
    ("--parse", "process", "--parse-workers", "2"),
)
_STILL = 30  # requests of the other processes that a stop lasts for, at most
_LOOKS = 8  # at whether they come, as all may wait for the process that was stopped
_GONE = ("does not answer", "the network seems to be gone")
_PATIENT = ("--retries", "3", "--backoff", "0", "--timeout", "120")


def stop_processes(number: int, draw: random.Random) -> str:
    """Stop processes so many times, and tell of it; return what is wrong, or ""."""
    stops: Counter[str] = Counter()
    for crawls in count(1):
        words = _KINDS[(crawls - 1) % len(_KINDS)]
        with tempfile.TemporaryDirectory() as name, closing(Web()) as web:
            problem = _stopped(Path(name), web, words, draw, stops) or wrong(Path(name), web)
        if problem:
            return f"{' '.join(words)}: {problem}"
        if stops.total() >= number:
            break
    who = ", ".join(f"{name} {number}" for name, number in sorted(stops.items()))
    text = f"{stops.total():,} processes stopped in {crawls:,} crawls ({who})"
    print(f"{text}: nothing lost, nothing repeated", flush=True)
    return ""


def _stopped(
    folder: Path, web: Web, words: tuple[str, ...], draw: random.Random, stops: Counter[str]
) -> str:
    """Crawl to the end, with stops; return what is wrong."""
    (folder / "list.jsonl").write_text(targets(web.urls))
    with _started(folder, "--quiet", *_PATIENT, *words) as process:
        while web.wait(web.served + draw.randrange(1, 60), process):
            victim = draw.choice([process.pid, *below(process.pid)])
            with suppress(OSError):  # it has ended by itself
                who = name_of(victim)
                os.kill(victim, signal.SIGSTOP)
                stops[who] += 1
                web.wait(web.served + draw.randrange(_STILL), process, looks=_LOOKS)
                if draw.random() < 0.5:
                    web.cut()
                os.kill(victim, signal.SIGCONT)
        said = process.communicate()[1].decode()
    return f"exit code {process.returncode}: {said}" if process.returncode else ""


def _started(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "crawler", "crawl", "-i", "list.jsonl", "-o", "out.jsonl"]
    return subprocess.Popen([*command, *WORDS, *words], cwd=folder, stderr=subprocess.PIPE)


def name_of(pid: int) -> str:
    """Return what a process is for."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    if b"crawl" in words:
        return "parent"
    return "partition" if b"crawler.engine.partition_process" in words else "parser"


def lose_networks(number: int, draw: random.Random) -> str:
    """Take the servers away from so many crawls, and tell of it; return what is wrong, or ""."""
    gone = 0
    for crawls in range(number):
        engine = ("async", "threaded")[crawls % 2]
        with tempfile.TemporaryDirectory() as name, closing(Web()) as web:
            for server in web.servers:
                server.goes_after = draw.randrange(5, 50)
            gone += len(web.servers)
            problem = _cut_off(Path(name), web, engine) or wrong(Path(name), web)
        if problem:
            return f"{engine}: {problem}"
    print(
        f"{gone:,} servers gone and back in {number:,} crawls: nothing lost, nothing repeated",
        flush=True,
    )
    return ""


def _cut_off(folder: Path, web: Web, engine: str) -> str:
    """Crawl with three partitions while the servers go; return what is wrong."""
    (folder / "list.jsonl").write_text("".join(f'{{"url": "{url}"}}\n' for url in web.urls))
    words = ("--workers", "3", "--engine", engine, "--breaker", "5", "--concurrency", "24")
    said = []
    with _started(folder, *words, "--breaker-pause", "0.05", *_PATIENT) as process:
        for line in map(bytes.decode, process.stderr or ()):
            said.append(line)
            if any(each in line for each in _GONE):
                web.back(line)
    if process.returncode:
        return f"exit code {process.returncode}: {''.join(said)}"
    records = map(json.loads, (folder / "out.jsonl").read_bytes().splitlines())
    kinds = Counter(record["kind"] for record in records)
    return "" if kinds.keys() == {None} else f"{dict(kinds)}: {''.join(said)}"
