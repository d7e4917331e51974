"""Fuzz every target for a while: `python -m tests.fuzz --seconds 600 [--only NAME]`.

Half of a target's time goes to atheris (inputs that reach new code are kept in `.fuzz/NAME`, and
the next run begins with them), half to hypothesis; all of it where atheris has no wheel for this
Python. One process at a time. What broke a guarantee lies in `.fuzz/found/NAME`: once it is mended,
move it to `tests/fuzz/corpus/NAME`, where the tests run it ever after.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.pieces import PIECES, SEEDS
from tests.fuzz.targets import LONGEST, SECONDS, TARGETS

WORK = Path(".fuzz")
CORPUS = Path(__file__).parent / "corpus"
MEMORY = 2_048
"""MB that a target may take."""

_EXECUTED = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_ENDING = 60.0  # seconds for a process to end by itself after its time


class Result(NamedTuple):
    """What came of one target under one engine."""

    name: str
    engine: str
    executions: int
    seconds: float
    crashes: int
    log: Path


def main() -> int:
    """Fuzz, print a table, and return 1 if anything was found."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("--seconds", type=float, default=600.0, help="for all targets together")
    options.add_argument("--only", action="append", choices=list(TARGETS), help="this target")
    chosen = options.parse_args()
    names = chosen.only or list(TARGETS)
    engines = ["atheris", "hypothesis"] if find_spec("atheris") else ["hypothesis"]
    if len(engines) == 1:
        print("atheris is not installed: hypothesis has all the time")
    share = max(1.0, chosen.seconds / len(names) / len(engines))  # 0 is no end to libFuzzer
    results = list(_fuzz(names, engines, share))
    print(f"{'total':<20}{_figures(_total(results))}")
    return 1 if any(result.crashes for result in results) else 0


def _fuzz(names: list[str], engines: list[str], share: float) -> Iterator[Result]:
    for name in names:
        for engine in engines:
            result = _run(name, engine, share)
            print(f"{name:<10}{engine:<10}{_figures(result)}", flush=True)
            if result.crashes:
                print(f"  see {result.log}")
            yield result


def _run(name: str, engine: str, seconds: float) -> Result:
    kept, found = WORK / name, WORK / "found" / name
    for folder in (kept, found):
        folder.mkdir(parents=True, exist_ok=True)
    log = found / f"{engine}.log"
    before = _artefacts(found)
    begun = time.monotonic()
    command = _command(name, engine, seconds, kept, found)
    ended = _ended(command, log, seconds + _ENDING)
    executed = _EXECUTED.search(log.read_text(errors="replace"))
    crashes = len(_artefacts(found) - before) or int(not ended)
    count = int(executed[1]) if executed else 0
    return Result(name, engine, count, time.monotonic() - begun, crashes, log)


def _ended(command: list[str], log: Path, limit: float) -> bool:
    """Run a command; whether it came to a good end, and in time."""
    with log.open("w") as stderr:
        try:
            subprocess.run(
                command, check=True, stdout=subprocess.DEVNULL, stderr=stderr, timeout=limit
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            stderr.write(f"{error}\n")
            return False
    return True


def _command(name: str, engine: str, seconds: float, kept: Path, found: Path) -> list[str]:
    if engine == "hypothesis":
        return [sys.executable, "-m", "tests.fuzz.heaps", name, f"{seconds:.0f}", str(found)]
    for number, seed in enumerate(SEEDS[name]):
        (kept / f"seed-{number}").write_bytes(seed)
    words = WORK / f"{name}.dict"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in PIECES[name]))
    folders = [str(kept), *[str(CORPUS / name)] * (CORPUS / name).is_dir()]
    return [
        *(sys.executable, "-m", "tests.fuzz.one", name, *folders),
        *(f"-max_total_time={seconds:.0f}", f"-max_len={LONGEST}", f"-timeout={SECONDS * 10:.0f}"),
        *(f"-rss_limit_mb={MEMORY}", f"-dict={words}", f"-artifact_prefix={found}/"),
        "-print_final_stats=1",
    ]


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _artefacts(folder: Path) -> set[Path]:
    return {path for path in folder.iterdir() if path.suffix != ".log"}


def _total(results: list[Result]) -> Result:
    executions, seconds, crashes = (
        sum(getattr(result, field) for result in results)
        for field in ("executions", "seconds", "crashes")
    )
    return Result("", "", int(executions), seconds, int(crashes), WORK)


def _figures(result: Result) -> str:
    return (
        f"{result.executions:>12,} executions {result.seconds:>8,.0f} s {result.crashes:>3} crashes"
    )


if __name__ == "__main__":
    sys.exit(main())
