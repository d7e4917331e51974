"""A run made by arithmetic, for the tests of what is told about runs."""

from __future__ import annotations

from msgspec.structs import replace

from crawler.load.hit import Recorder
from crawler.load.load_config import LoadConfig
from crawler.load.load_result import Generator, Judged, LoadResult
from crawler.load.measured import ErrorKind, Failure, Measured, TargetCounts
from crawler.load.threshold import Threshold
from crawler.load.validity import Probes, judge

RATE, SECONDS = 100, 12
LONG = f"http://127.0.0.1:8080/{'x' * 300}?<i>"
STALL = (1.0, 2.4)  # a stalled server lets nothing out between these seconds


def measured(seconds: int = SECONDS) -> Measured:
    """On schedule at 100/s, 2 to 11 ms each, one stall of 1.4 s, a few failures and refusals."""
    recorder = Recorder(0.0, seconds)
    hits = []
    for number in range(seconds * RATE):
        intended = number / RATE
        sent = STALL[1] if STALL[0] <= intended < STALL[1] else intended + 1e-5 * (number % 7)
        hits.append((sent + 0.002 + 0.001 * (number % 10), number, intended, sent))
    for ended, number, intended, sent in sorted(hits):
        if number % 97 == 0:
            recorder.failed(intended, sent, ended, Failure.TIMEOUT)
        else:
            recorder.hit(intended, sent, ended, 503 if number % 50 == 0 else 200, 1_400)
    run = recorder.freeze(float(seconds))
    errors = {
        "timeout": ErrorKind(count=run.failures[Failure.TIMEOUT], message="no answer within 1 s"),
        "status 503": ErrorKind(count=run.unexpected, message="Busy", example=f"GET {LONG}"),
    }
    slow = TargetCounts(
        name=f"GET {LONG}", response=run.response, statuses=run.statuses, errors=errors
    )
    return replace(run, targets=(slow, TargetCounts(name="<b>put</b>", statuses={302: 1})))


def quiet() -> Measured:
    """Two answers of 200, and nothing else."""
    recorder = Recorder(0.0)
    for ended in (0.1, 0.2):
        recorder.hit(0.0, 0.0, ended, 200, 1_400)
    return recorder.freeze(1.0)


def result(run: Measured | None = None, *, target: str = "http://127.0.0.1:8080/") -> LoadResult:
    """A result that cannot be believed, for its processor, and misses one of two thresholds."""
    run = measured() if run is None else run
    config = LoadConfig(
        rate=RATE, duration=SECONDS, header=("Authorization: Bearer secret",), max_errors=0.05
    )
    probes = Probes(cpu_seconds=11.5, cpu_share=0.96, mean_in_flight=run.expected_in_flight)
    thresholds = [Threshold.read("p99<50ms"), Threshold.read("errors<5%")]
    return LoadResult(
        target=target,
        urls=3,
        started="2026-11-24T00:00:00.000Z",
        config=config,
        machine=Generator.here(),
        measured=run,
        probes=probes,
        verdict=judge(run, probes, config),
        thresholds=tuple(Judged.of(each, run, config.max_errors) for each in thresholds),
    )
