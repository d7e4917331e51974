"""Soak the crawler: `python -m tests.soak --seconds 1800 [--engine raw]`.

Each engine, and the raw client, has its share of the time, one after the other, and crawls an
endless list against `config/mock-hostile.toml`: pages of its graph, every fault of the catalogue
(stalls, resets, bombs), names that do not resolve, while its parser's processes are killed at
random moments. What must hold (a line says what did not, and the exit code is 1):

- flat: memory, descriptors and threads of the crawl and all that it started (`BOUNDS`);
- each URL of the list has one record, and none is `internal`;
- it ends within `ENDING` seconds of the list's end, with exit code 0, and leaves no process.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.real.command import DRIVERS
from tests.soak.account import Account
from tests.soak.crawl import CONCURRENCY, MEMORY, Crawl, crawling
from tests.soak.judgement import Bound, Sample, broken
from tests.soak.web import Endless, NotServed, hostile

BOUNDS = {
    # What a crawl must know of each URL that it has seen is a few bytes; the slack is for them and
    # for two workers that have just been started, or killed.
    "memory": Bound(share=0.1, slack=48_000_000, most=MEMORY),
    # Idle connections are kept, and there are the more of them the longer all is well.
    "descriptors": Bound(share=0.1, slack=CONCURRENCY, most=4 * CONCURRENCY + 200),
    # One a request in the threaded engine, one a name that is looked up: 10 s, if it is dead, and
    # the more of them the higher the rate.
    "threads": Bound(share=0.1, slack=48, most=2 * CONCURRENCY + 100),
}
BACKLOG = 1_000  # URLs fed and not yet recorded
ENDING = 120.0  # for these, though all may be of the one host that is slowest
_LINES = 12  # in a short run; a long one has a line a minute
_EVERY = 1.0  # seconds from one sample to the next
_KILLS = 0.3  # a second, at random
_WARM_UP = 0.33  # of the time, and a minute at most
_GRACE = 5.0  # for a process that ends by itself once the crawl has ended
_KINDS = 8  # named in a line


def main() -> int:
    """Soak each engine, print what was seen, and return 1 if a bound broke."""
    options = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    options.add_argument("--seconds", type=float, default=1800.0, help="for all engines together")
    options.add_argument("--engine", action="append", choices=DRIVERS, help="this engine")
    options.add_argument("--seed", type=int, default=time.time_ns() % 10_000, help="of the kills")
    chosen = options.parse_args()
    engines = chosen.engine or list(DRIVERS)
    share = chosen.seconds / len(engines)
    wrong: list[str] = []
    if not Path("/proc/self/smaps_rollup").exists():
        options.error("expected Linux 4.14 or newer: processes are watched through its /proc")
    try:
        with hostile() as web, tempfile.TemporaryDirectory(prefix="crawler-soak-") as folder:
            for engine in engines:
                lines = _soak(web, engine, share, chosen.seed, Path(folder))
                wrong += [f"{engine}: {line}" for line in lines]
    except NotServed as error:
        wrong.append(str(error))
    for line in wrong:
        print(f"BROKEN  {line}")
    verdict = f"bounds that broke: {len(wrong)}" if wrong else "every bound held"
    print(f"make soak: {verdict} ({', '.join(engines)}; kills by --seed {chosen.seed})", flush=True)
    return 1 if wrong else 0


def _soak(web: Endless, engine: str, seconds: float, seed: int, folder: Path) -> list[str]:
    """Soak one engine for so many seconds; return a line for each bound that broke."""
    account = Account(web.url, web.number, BACKLOG)
    log = folder / f"{engine}.log"
    with crawling(engine, account, log) as crawl:
        samples = _watched(crawl, account, engine, seconds, random.Random(seed))
        begun = time.monotonic()
        code = crawl.end(ENDING)
        ending = time.monotonic() - begun
        wrong = [*broken(samples, BOUNDS, min(60.0, seconds * _WARM_UP)), *account.wrong()]
        wrong += [*_ended(code, crawl, log), *_records(account, crawl)]
    print(f"{engine:<9}ended in {ending:.1f} s, exit code {code}; {account.fed} URLs", end="")
    print(f", {account.recorded} records, {crawl.killed} workers killed", flush=True)
    return wrong


def _watched(
    crawl: Crawl, account: Account, engine: str, seconds: float, chosen: random.Random
) -> list[Sample]:
    """Take samples, kill workers and print lines until the time is over."""
    samples: list[Sample] = []
    begun = time.monotonic()
    line = min(60.0, seconds / _LINES)
    due, before = line, 0
    while (at := time.monotonic() - begun) < seconds and crawl.running():
        samples.append(crawl.look(at))
        if at >= due:
            rate = (account.recorded - before) / (at - due + line)
            print(_line(engine, rate, samples[-1], crawl.killed, account.kinds), flush=True)
            due, before = at + line, account.recorded
        if chosen.random() < _KILLS * _EVERY:
            time.sleep(chosen.uniform(0, _EVERY / 2))
            crawl.kill_worker(chosen)
        time.sleep(max(0.0, begun + at + _EVERY - time.monotonic()))
    return samples


def _line(engine: str, rate: float, sample: Sample, killed: int, kinds: Counter[str]) -> str:
    most = kinds.most_common()
    named = " ".join(f"{kind} {count}" for kind, count in most[:_KINDS])
    rest = sum(count for _, count in most[_KINDS:])
    return (
        f"{engine:<9}{sample.at:>6.0f} s {rate:>6.1f}/s {sample.memory / 1e6:>6.0f} MB"
        f" {sample.descriptors:>4} fds {sample.threads:>4} threads {killed:>4} killed  {named}"
        + (f" others {rest}" if rest else "")
    )


def _ended(code: int | None, crawl: Crawl, log: Path) -> list[str]:
    """Return a line for each way in which the end was no good one."""
    said = log.read_text(errors="replace").strip().splitlines()[-1:]
    if code is None:
        return [f"it did not end within {ENDING:.0f} s of the list's end"]
    wrong = [f"exit code {code}, 0 expected: {''.join(said)}"] if code else []
    deadline = time.monotonic() + _GRACE
    while (left := crawl.left()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [*wrong, f"{len(left)} processes were left: {left}"] if left else wrong


def _records(account: Account, crawl: Crawl) -> list[str]:
    """Return a line for what no record may be."""
    wrong = []
    if account.kinds["internal"]:
        wrong.append(f"{account.kinds['internal']} records are internal: a bug of the crawler's")
    if crawl.unreadable:
        wrong.append(f"{crawl.unreadable} lines of the output are no records")
    if not account.kinds["page"]:
        wrong.append("not one page was fetched")
    if not crawl.killed:
        wrong.append("no worker was killed: there was none to be found")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
