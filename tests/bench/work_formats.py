"""Outputs of real pages: Parquet, WARC with bodies and parts in an object store, by what is plain.

A rate counts the whole command, as some formats are made once the crawl has ended, but for what a
crawl of one page into the same output takes. The pages are 521, so an archive has each body once
and refers to it after that. The object store is moto's server, on the same two cores; `parts` are
those that a directory gets from the same crawl. Memory is the peak of the crawl's own process.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from tests.bench import compared
from tests.bench.contestants import UrlList, clear, our_command, read_stats
from tests.bench.measure import Contestant, NotDone, Sample, play, run
from tests.bench.report import Result, Row, Target
from tests.bench.setting import Setting

_QUERIES = 16
_BUCKET = "bench"
_PARQUET = Target(bound=0.9, unit="x")
_WARC = Target(bound=0.6, unit="x")
_STORE = Target(bound=0.9, unit="x")
_MEMORY = Target(bound=100, unit=" MB", at_least=False)
_SERVER = """\
import os, sys
from moto.server import ThreadedMotoServer
sys.stdout = sys.stderr  # it tells of its start
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
server.start()
os.write(1, b"%d\\n" % server.get_host_and_port()[1])
sys.stdin.read()
"""


def measure(setting: Setting) -> Result:
    """The same crawl into each output, by turns."""
    urls = setting.doc_pages(_QUERIES)
    one = UrlList.write(setting.directory / "one.txt", urls.path.read_text().split()[:1])
    parts = ("--format", "jsonl.gz")
    with _store():
        outputs = {
            "jsonl": ("ROOM/out.jsonl",),
            "parquet": ("ROOM/out.parquet",),
            "warc": ("ROOM/out.warc.gz",),
            "parts": ("ROOM/out/", *parts),
            "store": (f"s3://{_BUCKET}/out/", *parts, "--state", "ROOM/state"),
        }
        contestants = [
            Contestant(name=name, turn=partial(_turn, urls, words, _start(one, words)))
            for name, words in outputs.items()
        ]
        samples = play(contestants, setting.rounds, setting.say)
    plain, archive = _peak(samples["jsonl"]), _peak(samples["warc"])
    rows = (
        compared.row("Parquet against JSON lines", samples["parquet"], samples["jsonl"], _PARQUET),
        compared.row("WARC.gz against JSON lines", samples["warc"], samples["jsonl"], _WARC),
        Row(
            work="WARC.gz, memory above JSON lines",
            ours=f"{archive:.0f} MB",
            peer=f"{plain:.0f} MB",
            value=archive - plain,
            target=_MEMORY,
        ),
        compared.row("parts in S3 against local ones", samples["store"], samples["parts"], _STORE),
    )
    return Result(key="formats", how=__doc__ or "", rows=rows, samples=samples)


def _turn(urls: UrlList, output: Sequence[str], start: float = 0.0) -> Sample:
    """One crawl; start: seconds of the command that are not counted."""
    command = our_command(urls)
    clear(command)
    room = command.output.parent
    named = [word.replace("ROOM", str(room)) for word in output]
    words = command.words()
    words[words.index(str(command.output))] = named[0]
    ended = run([*words, *named[1:]])
    stats = read_stats(command)
    done = stats["outcomes"].get("page", 0)
    if done != urls.count:
        raise NotDone(f"{named[0]} has {done} of {urls.count} pages")
    elapsed = max(ended.wall - start, stats["elapsed"])
    figures = {"peak_rss": stats["peak_rss"], "crawl_elapsed": stats["elapsed"]}
    return Sample(pages=done, elapsed=elapsed, wall=ended.wall, cpu=ended.cpu, figures=figures)


def _start(one: UrlList, output: Sequence[str]) -> float:
    """Seconds of a crawl of one page: the start of the command, and of its output's library."""
    return statistics.median(_turn(one, output).wall for _ in range(3))


def _peak(samples: Sequence[Sample]) -> float:
    """The median of the peak memory, in MB."""
    return statistics.median(sample.figures["peak_rss"] for sample in samples) / 1e6


@contextmanager
def _store() -> Iterator[None]:
    """Run an object store in a process, with a bucket, and let S3 be it."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        os.environ |= {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        import s3fs

        s3fs.S3FileSystem().mkdir(_BUCKET)
        try:
            yield
        finally:
            server.stdin.close()
