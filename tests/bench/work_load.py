"""The load generator: how much it asks for, how well it keeps time, what it weighs.

nginx with one worker serves a page of 1,400 bytes from one core; on the other, by turns, ours,
wrk with one thread, hey with one core (both Debian's) and autocannon (npm's) ask for it over 64
connections. Beside the rates, which nginx's core bounds for all of them, stands what an answer
costs each client in CPU time. Whether ours, wrk and hey agree on latencies is seen at a mock web
whose answers take lognormal:0.02,0.3 seconds, as there no client is at its limit, and held against
that distribution's own quantiles; the spread over the rounds is noted. What `crawler load selftest`
finds stands beside theory. In the open loop 20,000 requests/s are due for ten seconds; counted are
those that left, and how late. Memory is the peak of the process in a run of 60 seconds over that of
one of 6, both under full load: nothing may be kept per request, so ten times as many must not weigh
more.
"""

from __future__ import annotations

import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from msgspec import DecodeError

from crawler.load.load_result import LoadDocument
from crawler.load.measured import Measured
from crawler.measure.json_document import parsed
from crawler.model.errors import ExitCode
from tests.bench import clients, node
from tests.bench.measure import Contestant, NotDone, Sample, median_rate, play, rate_ratio
from tests.bench.processes import peak_bytes, tree
from tests.bench.report import Result, Row, Target
from tests.bench.setting import Setting
from tests.real.debian import ensure_installed
from tests.real.site import nginx

_SECONDS, _QUICK_SECONDS = 8, 2
_CONNECTIONS = 64
_RATE, _OPEN_SECONDS, _QUICK_OPEN_SECONDS = 20_000, 10, 3
_MEDIAN, _SIGMA, _LATENCY_CONNECTIONS = 0.02, 0.3, 32
_LATENCY = f"lognormal:{_MEDIAN},{_SIGMA}"
_SHORT, _LONG, _QUICK_LONG = 6, 60, 12
_TICK = 0.25


def measure(setting: Setting) -> Result:
    """All figures."""
    ensure_installed(("wrk", "hey"))
    first, second = sorted(os.sched_getaffinity(0))[:2]
    seconds = _QUICK_SECONDS if setting.quick else _SECONDS
    with nginx() as site:
        for pid in tree(site.pid):
            os.sched_setaffinity(pid, {first})
        url = site.url("/small.html")
        asking = _clients(url, _CONNECTIONS, seconds, second)
        asking += _autocannon(setting, url, _CONNECTIONS, seconds, second)
        closed = play(asking, setting.rounds, setting.say)
        rows = [*_speed(closed), *_open(setting, url, second), _memory(setting, url, second)]
    with _mock(first) as web:
        same = _clients(f"{web}/page/0", _LATENCY_CONNECTIONS, seconds, second)
        agreement = play(same, setting.rounds, setting.say)
    samples = {**closed, **{f"{name}, slow answers": taken for name, taken in agreement.items()}}
    rows += [*_agreement(agreement), *_distribution(agreement), *_selftest()]
    return Result(key="load", how=__doc__, rows=tuple(rows), samples=samples)


def _speed(samples: dict[str, list[Sample]]) -> Iterator[Row]:
    for peer, bound in (("wrk", 1.0), ("hey", 3.0), ("autocannon", 3.0)):
        if peer not in samples:
            continue
        ours, theirs = median_rate(samples["crawler load"]), median_rate(samples[peer])
        own, its = _cost(samples["crawler load"]), _cost(samples[peer])
        yield Row(
            work=f"closed loop, {_CONNECTIONS} connections, against {peer}",
            ours=f"{ours:,.0f}/s",
            peer=f"{theirs:,.0f}/s",
            value=rate_ratio(samples["crawler load"], samples[peer]),
            target=Target(bound=bound, unit="x"),
            note=f"nginx on the other core; CPU an answer: {own:.1f} us, {peer} {its:.1f} us, "
            f"{its / own:.2f} times",
        )


def _cost(samples: Sequence[Sample]) -> float:
    """Microseconds of CPU that an answer costs a client, its start and end included."""
    return statistics.median(sample.cpu / sample.pages for sample in samples) * 1e6


def _agreement(samples: dict[str, list[Sample]]) -> Iterator[Row]:
    for peer in ("wrk", "hey"):
        for share in clients.SHARES:
            ours, theirs = (
                sorted(sample.figures[share] for sample in samples[name])
                for name in ("crawler load", peer)
            )
            middle = statistics.median(ours), statistics.median(theirs)
            yield Row(
                work=f"latency {share} of the same slow server, against {peer}",
                ours=f"{middle[0] * 1e3:.2f} ms",
                peer=f"{middle[1] * 1e3:.2f} ms",
                value=middle[0] / middle[1],
                target=None,
                note=f"rounds: {_span(ours)} against {_span(theirs)}",
            )


def _distribution(samples: dict[str, list[Sample]]) -> Iterator[Row]:
    """The latencies of each client against those that the server was told to have."""
    for name, taken in samples.items():
        for share, quantile in clients.SHARES.items():
            expected = _MEDIAN * math.exp(_SIGMA * statistics.NormalDist().inv_cdf(quantile))
            found = sorted(sample.figures[share] for sample in taken)
            middle = statistics.median(found)
            yield Row(
                work=f"latency {share} of the same slow server, by {name}",
                ours=f"{middle * 1e3:.2f} ms",
                peer=f"{expected * 1e3:.2f} ms (arithmetic)",
                value=middle / expected,
                target=None,
                note=f"rounds: {_span(found)}",
            )


def _selftest() -> Iterator[Row]:
    """The findings of the self-test, each with its bounds."""
    words = [sys.executable, "-m", "crawler", "load", "selftest", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    for case in json.loads(done.stdout)["cases"]:
        for found in case["findings"]:
            yield Row(
                work=f"self-test: {found['name']}",
                ours=f"{found['value']:.4g} {found['unit']}",
                peer=f"{found['least']:.4g} to {found['most']:.4g} (theory)",
                value=2 * found["value"] / (found["least"] + found["most"]),
                target=None,
                note="" if found["ok"] else "out of bounds",
            )


def _span(values: Sequence[float]) -> str:
    return f"{values[0] * 1e3:.2f} to {values[-1] * 1e3:.2f} ms"


def _clients(url: str, connections: int, seconds: int, core: int) -> list[Contestant]:
    many, time_ = str(connections), f"{seconds}s"
    wrk = ["wrk", "-t1", f"-c{many}", f"-d{time_}", "--latency", url]
    hey = ["hey", "-cpus", "1", "-c", many, "-z", time_, url]
    ours = _load(url, "--connections", many, "--duration", str(seconds))
    return [
        _contestant("crawler load", ours, core, clients.ours),
        _contestant("wrk", wrk, core, clients.wrk),
        _contestant("hey", hey, core, clients.hey),
    ]


def _autocannon(
    setting: Setting, url: str, connections: int, seconds: int, core: int
) -> list[Contestant]:
    """That peer, where it can be had."""
    command = node.autocannon(setting.python.parent.parent)
    if command is None:
        setting.say("autocannon is left out: there is no Node.js, or npm cannot install it")
        return []
    words = [*command, "-c", str(connections), "-d", str(seconds), "--json", url]
    return [_contestant("autocannon", words, core, clients.autocannon)]


def _contestant(
    name: str, words: Sequence[str], core: int, read: Callable[[str], clients.Figures]
) -> Contestant:
    def turn() -> Sample:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        done = subprocess.run(_on(core, words), capture_output=True, text=True, check=False)
        wall = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            pages, elapsed, figures = read(done.stdout)
        except (ValueError, KeyError, TypeError, DecodeError) as error:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise NotDone(f"{name} ended with {done.returncode}: {''.join(last)}") from error
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Sample(pages=pages, elapsed=elapsed, wall=wall, cpu=cpu, figures=figures)

    return Contestant(name=name, turn=turn)


def _load(url: str, *flags: str) -> list[str]:
    return [sys.executable, "-m", "crawler", "load", url, *flags, "--json", "--quiet"]


def _open(setting: Setting, url: str, core: int) -> Iterator[Row]:
    """On schedule: what share of the hits left, and how late they were."""
    seconds = _QUICK_OPEN_SECONDS if setting.quick else _OPEN_SECONDS
    shares, lags = [], []
    for _ in range(setting.rounds):
        measured = _run_open(url, core, seconds)
        shares.append(measured.sent / (_RATE * seconds))
        lags.append(measured.lag.quantile(0.99) * 1e3)
        setting.say(f"open loop: {shares[-1]:.2%} sent, lag p99 {lags[-1]:.2f} ms")
    yield Row(
        work=f"open loop, {_RATE:,}/s for {seconds} s: share sent",
        ours=f"{statistics.median(shares) * _RATE:,.0f}/s",
        peer=f"{_RATE:,}/s (schedule)",
        value=statistics.median(shares) * 100,
        target=Target(bound=99.5, unit=" %"),
    )
    yield Row(
        work="the same: lag p99",
        ours=f"{statistics.median(lags):.2f} ms",
        peer="",
        value=statistics.median(lags),
        target=Target(bound=2, unit=" ms", at_least=False),
    )


def _run_open(url: str, core: int, seconds: int) -> Measured:
    words = _load(url, "--rate", str(_RATE), "--duration", str(seconds))
    done = subprocess.run(_on(core, words), capture_output=True, text=True, check=False)
    try:
        return parsed(done.stdout.encode(), LoadDocument).measured
    except (ValueError, KeyError, TypeError, DecodeError) as error:
        raise NotDone(f"the open loop ended with {done.returncode}: {done.stderr}") from error


def _memory(setting: Setting, url: str, core: int) -> Row:
    """How much more a long run weighs than a short one."""
    long = _QUICK_LONG if setting.quick else _LONG
    short_bytes, long_bytes = (_peak(url, core, seconds) for seconds in (_SHORT, long))
    return Row(
        work=f"memory of {long} s under full load, over that of {_SHORT} s",
        ours=f"{long_bytes / 1e6:.1f} MB",
        peer=f"{short_bytes / 1e6:.1f} MB",
        value=(long_bytes - short_bytes) / 1e6,
        target=Target(bound=3, unit=" MB", at_least=False),
        note="a row of figures is kept for each second, up to 3,600",
    )


def _peak(url: str, core: int, seconds: int) -> int:
    """The peak resident size of a closed loop's process, in bytes."""
    words = _load(url, "--connections", str(_CONNECTIONS), "--duration", str(seconds))
    peak = 0
    with subprocess.Popen(_on(core, words), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, *map(peak_bytes, tree(process.pid)))
            time.sleep(_TICK)
    if process.returncode not in (ExitCode.FINISHED, ExitCode.INVALID):  # full load is its purpose
        raise NotDone(f"a load of {seconds} s ended with {process.returncode}")
    return peak


@contextmanager
def _mock(core: int) -> Iterator[str]:
    words = [sys.executable, "-m", "crawler", "mock", "--port", "0", "--latency", _LATENCY]
    with subprocess.Popen(_on(core, words), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                raise NotDone("the mock web did not start")
            yield url
        finally:
            process.terminate()


def _on(core: int, words: Sequence[str]) -> list[str]:
    """The command, kept to one core."""
    return ["taskset", "-c", str(core), *words]
