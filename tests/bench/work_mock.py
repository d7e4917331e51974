"""The mock web itself: how many answers it gives, against nginx, and what it weighs.

wrk (Debian) asks for one page of 1 KB over 64 connections. The server is kept to one core and wrk
to the other, for the mock web and for nginx with one worker alike. Two processes have both cores,
and so has wrk, for the one process that they are compared with, too: what wrk takes is missing to
the servers. With 10,000 open connections and a second of latency every answer takes exactly that
long, so 10,000 answers/s would be perfect; counted are 20 seconds after all have connected. Memory
is the peak of a process that serves a web of ten million pages, of which 5,000 were asked for.

A kept page costs the server no more than wrk, so that wrk decides what two processes can show with
it. So they are also asked for 20,000 pages of the graph in turn, most of which are made anew.
"""

from __future__ import annotations

import json
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from tests.bench.measure import Contestant, NotDone, Sample, median_rate, play, rate_ratio
from tests.bench.processes import cpu_seconds, peak_bytes, tree
from tests.bench.report import Result, Row, Target
from tests.bench.setting import Setting
from tests.real.debian import ensure_installed
from tests.real.site import nginx

_SECONDS, _QUICK_SECONDS = 8, 2
_CONNECTIONS = 64
_OPEN, _QUICK_OPEN = 10_000, 2_000
_LATENCY = 1.0
_STEADY_SECONDS, _QUICK_STEADY_SECONDS = 20, 4
_PAGES, _ASKED = 10_000_000, 5_000
_PAGE = ("--page-bytes", "1024", "--links", "0")
_SOUND = ("--pages", "20000", "--redirects", "0", "--errors", "0", "--flaky", "0")
_PATHS = Path(__file__).parent / "peers" / "paths.lua"
_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_DONE = re.compile(r"(\d+) requests in")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """A page to ask for, and the first of the processes that serve it.

    paths: a file of paths to ask for in turn, instead.
    """

    url: str
    pid: int
    paths: Path | None = None

    def cpu(self) -> float:
        """CPU seconds of all these processes so far."""
        return sum(map(cpu_seconds, tree(self.pid)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mock:
    """A running mock web."""

    url: str
    pid: int

    def page(self) -> _Page:
        """The page that wrk asks for."""
        return _Page(url=f"{self.url}/page/1", pid=self.pid)

    def graph(self, paths: Path) -> _Page:
        """Many pages of the graph."""
        return _Page(url=self.url, pid=self.pid, paths=paths)

    def requests(self) -> int:
        """How many it has taken so far."""
        with urllib.request.urlopen(f"{self.url}/__statistics", timeout=30) as reply:
            return int(json.load(reply)["requests"])

    def largest_bytes(self) -> int:
        """The peak resident size of its largest process."""
        return max(peak_bytes(pid) for pid in tree(self.pid))


def measure(setting: Setting) -> Result:
    """All four figures."""
    ensure_installed(("wrk",))
    first, second = sorted(os.sched_getaffinity(0))[:2]
    seconds = _QUICK_SECONDS if setting.quick else _SECONDS
    with (
        _mock(*_PAGE, cores={first}) as alone,
        _nginx_with_page(first) as page,
        _mock(*_PAGE, cores={first, second}) as one,
        _mock(*_PAGE, "--processes", "2", cores={first, second}) as two,
    ):
        contestants = [
            _wrk("mock, one core", alone.page(), seconds, {second}),
            _wrk("nginx, one core", page, seconds, {second}),
            _wrk("one process", one.page(), seconds, {first, second}),
            _wrk("two processes", two.page(), seconds, {first, second}),
        ]
        samples = play(contestants, setting.rounds, setting.say)
    made = _made(setting, seconds, {first, second})
    rows = (
        _against(
            samples,
            "1 KB page",
            "mock, one core",
            "nginx, one core",
            Target(bound=0.5, unit="x"),
            "wrk on the core left over",
        ),
        _scaling(samples, "1 KB page", Target(bound=1.6, unit="x")),
        _scaling(made, "pages of the graph", Target(bound=1.6, unit="x")),
        _waiting(setting),
        _memory(setting),
    )
    kept = {**samples, **{f"{name}, graph": taken for name, taken in made.items()}}
    return Result(key="mock", how=__doc__, rows=rows, samples=kept)


def _made(setting: Setting, seconds: int, cores: set[int]) -> dict[str, list[Sample]]:
    """One process and two, asked for pages that they have to make."""
    paths = setting.directory / "graph-paths.txt"
    with (
        _mock(*_SOUND, cores=cores) as one,
        _mock(*_SOUND, "--processes", "2", cores=cores) as two,
    ):
        paths.write_text("".join(_graph_paths()))
        contestants = [
            _wrk("one process", one.graph(paths), seconds, cores),
            _wrk("two processes", two.graph(paths), seconds, cores),
        ]
        return play(contestants, setting.rounds, setting.say)


def _graph_paths() -> Iterator[str]:
    words = [sys.executable, "-m", "crawler", "mock", "urls", *_SOUND]
    for url in subprocess.run(words, capture_output=True, text=True, check=True).stdout.split():
        yield f"{url[url.index('/', len('http://')) :]}\n"


def _against(
    samples: dict[str, list[Sample]], what: str, ours: str, peer: str, target: Target, note: str
) -> Row:
    our_rate, peer_rate = median_rate(samples[ours]), median_rate(samples[peer])
    return Row(
        work=f"{what}: {ours} against {peer}",
        ours=f"{our_rate:,.0f}/s",
        peer=f"{peer_rate:,.0f}/s",
        value=rate_ratio(samples[ours], samples[peer]),
        target=target,
        note=note,
    )


def _scaling(samples: dict[str, list[Sample]], what: str, target: Target) -> Row:
    """Two processes against one, and how much more there can be.

    With s and w seconds of CPU that an answer costs server and wrk, one process can give 1 / s
    answers a second and two, on the cores that wrk needs, too, 2 / (s + w).
    """
    alone = samples["one process"]
    client = statistics.median(sample.cpu / sample.pages for sample in alone)
    server = statistics.median(sample.figures["server_cpu"] / sample.pages for sample in alone)
    ceiling = 2 * server / (server + client)
    note = (
        f"wrk on the same two cores: an answer costs it {client * 1e6:.1f} us, the server "
        f"{server * 1e6:.1f} us, so {ceiling:.2f}x is the most there can be"
    )
    return _against(samples, what, "two processes", "one process", target, note)


def _wrk(name: str, page: _Page, seconds: int, cores: set[int]) -> Contestant:
    def turn() -> Sample:
        words = ["wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}s", page.url]
        if page.paths is not None:
            words[1:1], words[-1:] = ["-s", str(_PATHS)], [page.url, "--", str(page.paths)]
        before, children = page.cpu(), resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        said = subprocess.run(
            [*_on(cores), *words], capture_output=True, text=True, check=True
        ).stdout
        wall = time.perf_counter() - started
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = used.ru_utime + used.ru_stime - children.ru_utime - children.ru_stime
        figures = {"server_cpu": page.cpu() - before}
        rate, done = _RATE.search(said), _DONE.search(said)
        if rate is None or done is None or "Non-2xx" in said or "Socket errors" in said:
            raise NotDone(f"wrk against {name}: {said.strip().splitlines()[-1]}")
        pages = int(done[1])
        elapsed = pages / float(rate[1])
        return Sample(pages=pages, elapsed=elapsed, wall=wall, cpu=cpu, figures=figures)

    return Contestant(name=name, turn=turn)


def _waiting(setting: Setting) -> Row:
    """10,000 connections that are held back for a second each."""
    count = _QUICK_OPEN if setting.quick else _OPEN
    steady = _QUICK_STEADY_SECONDS if setting.quick else _STEADY_SECONDS
    rates = []
    with _mock(*_PAGE, "--latency", str(_LATENCY)) as web:
        for _ in range(setting.rounds):
            rates.append(_steady_rate(web, count, steady))
            setting.say(f"{count:,} connections: {rates[-1]:,.0f} answers/s")
    rate = statistics.median(rates)
    return Row(
        work=f"{count:,} open connections, 1 s of latency",
        ours=f"{rate:,.0f}/s",
        peer=f"{count / _LATENCY:,.0f}/s (arithmetic)",
        value=rate * _LATENCY / count,
        target=Target(bound=0.95, unit="x"),
        note="server and wrk on the same two cores",
    )


def _steady_rate(web: _Mock, count: int, steady: int) -> float:
    ramp = 5  # seconds until all have connected and been answered once
    words = ["wrk", "-t1", f"-c{count}", f"-d{ramp + steady + 3}s", "--timeout", "30s"]
    with subprocess.Popen([*words, f"{web.url}/page/1"], stdout=subprocess.DEVNULL) as client:
        time.sleep(ramp)
        before, started = web.requests(), time.perf_counter()
        time.sleep(steady)
        after, ended = web.requests(), time.perf_counter()
        client.wait()
    return (after - before) / (ended - started)


def _memory(setting: Setting) -> Row:
    """The peak size of one process of a web of ten million pages."""
    with _mock("--pages", str(_PAGES), "--hosts", "1") as web:
        _ask_for(web.url, setting.share(_ASKED))
        size = web.largest_bytes() / 1e6
    return Row(
        work="memory of a process, 10,000,000 pages",
        ours=f"{size:.0f} MB",
        peer="",
        value=size,
        target=Target(bound=100, unit=" MB", at_least=False),
        note=f"after {setting.share(_ASKED):,} of them were asked for",
    )


def _ask_for(url: str, count: int) -> None:
    """Ask for pages anywhere in the web."""
    chosen = random.Random(7)
    client = HTTPConnection(url.removeprefix("http://"), timeout=30)
    for _ in range(count):
        client.request("GET", f"/page/{chosen.randrange(_PAGES)}")
        client.getresponse().read()
    client.close()


@contextmanager
def _mock(*flags: str, cores: set[int] | None = None) -> Iterator[_Mock]:
    words = [sys.executable, "-m", "crawler", "mock", "--port", "0", *flags]
    with subprocess.Popen([*_on(cores), *words], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                raise NotDone("the mock web did not start")
            yield _Mock(url=url, pid=process.pid)
        finally:
            process.terminate()


@contextmanager
def _nginx_with_page(core: int) -> Iterator[_Page]:
    """nginx on one core, with a page of the same size."""
    with nginx() as site:
        for pid in tree(site.pid):
            os.sched_setaffinity(pid, {core})
        yield _Page(url=site.url("/kilobyte.html"), pid=site.pid)


def _on(cores: set[int] | None) -> Sequence[str]:
    """The words that keep a command to some cores."""
    return ["taskset", "-c", ",".join(map(str, sorted(cores)))] if cores else []
