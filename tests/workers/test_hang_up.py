"""A worker that dies at any byte of its answer costs no page, no minute and no process."""

from __future__ import annotations

import concurrent.futures.process as pool
import os
import signal
import struct
import subprocess
import sys
import textwrap
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, synchronize
from pathlib import Path
from typing import Any

import pytest

from crawler.model.document import RawResponse
from crawler.workers import forked
from crawler.workers.hang_up import hang_up
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
ANSWER = struct.pack("!i", 100_000) + bytes(500)
"""The first 504 of 100,004 bytes: a length, and a part of what it announces."""


def _cut_short(queue: Any, *_rest: Any, **_options: Any) -> None:
    """Send some bytes of an answer, and die."""
    os.write(queue._writer.fileno(), ANSWER[: CUT[0]])
    os.kill(os.getpid(), signal.SIGKILL)


CUT = [0]
MOST = 2_000_000


def dies_in_its_answer(cut: int) -> None:
    CUT[0] = cut
    pool._sendback_result = _cut_short  # type: ignore[attr-defined]


def parse(response: RawResponse) -> dict[str, str]:
    """A user's parser: a page that says `cut N` ends its worker after N bytes of the answer.

    It does so once: the file that its URL names says that it was there before.
    """
    word, _, number = response.body.decode().partition(" ")
    mark = Path(response.url.removeprefix("file://"))
    if word == "cut" and not mark.exists():
        mark.touch()
        dies_in_its_answer(int(number))
    return {"said": word}


@pytest.mark.slow
@pytest.mark.parametrize("cut", [0, 1, 3, 4, 5, 504])
@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_the_pool_breaks_at_once_and_its_thread_ends(method: str, cut: int) -> None:
    """T4: on this interpreter the names are there, and an end in mid-answer is an end of file."""
    executor = ProcessPoolExecutor(1, get_context(method))
    try:
        future = executor.submit(dies_in_its_answer, cut)
        hang_up(executor, most=MOST)
        with pytest.raises(BrokenProcessPool):
            future.result(PATIENCE)
    finally:
        executor.shutdown(wait=True)  # joins the thread that read the answer


def _endless(queue: Any, *_rest: Any, **_options: Any) -> None:
    """Send an answer of a terabyte, as much of it as anybody takes."""
    os.write(queue._writer.fileno(), struct.pack("!iQ", -1, 1 << 40))
    while True:
        os.write(queue._writer.fileno(), bytes(65536))


def sends_without_end() -> None:
    pool._sendback_result = _endless  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_an_answer_of_any_length_is_not_read(method: str) -> None:
    """T6: what announces more than it may have breaks the pool before it takes memory."""
    executor = ProcessPoolExecutor(1, get_context(method))
    try:
        future = executor.submit(sends_without_end)
        hang_up(executor, most=MOST)
        with pytest.raises(BrokenProcessPool) as raised:
            future.result(PATIENCE)
        assert "bad message length" in str(raised.value.__cause__)
    finally:
        executor.shutdown(wait=True)


@pytest.mark.slow
def test_pools_of_others_behind_the_same_fork_server_can_be_ended() -> None:
    """What a crawl's fork server blocks for itself, it does not for workers of a user's pools."""
    script = """
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context, synchronize
        from time import sleep
        from crawler.model.config import CrawlConfig
        from crawler.workers.hand_over import ThreadedParsing

        with ThreadedParsing(CrawlConfig(parse="process", parse_workers=1)) as parsing:
            context = get_context("forkserver")
            process = context.Process(target=sleep, args=(60,), daemon=True)
            process.start()
            process.terminate()
            process.join(100)
            print(process.exitcode)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.stdout, done.stderr) == ("-15\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_pool_that_was_hung_up_works_and_ends_as_any_other(method: str) -> None:
    """Answers of a megabyte come whole, an error comes as itself, and the worker ends by itself."""
    with ProcessPoolExecutor(1, get_context(method)) as executor:
        first = executor.submit(bytes, 1_000_000)
        hang_up(executor, most=MOST)
        hang_up(executor, most=MOST)
        assert first.result(PATIENCE) == bytes(1_000_000)
        assert executor.submit(os.path.basename, "/a/b").result(PATIENCE) == "b"
        with pytest.raises(ZeroDivisionError):
            executor.submit(divmod, 1, 0).result(PATIENCE)


SCRIPT = """
    import asyncio, sys, threading
    from crawler.model.config import CrawlConfig
    from crawler.model.document import RawResponse
    from crawler.workers.hand_over import AsyncParsing, ThreadedParsing

    def page(n):
        body = f"cut {n}" if n in (0, 2, 4, 300) else f"whole {n}"
        url = f"file://{sys.argv[1]}/{n}"
        return RawResponse(url=url, status=200, content_type="text/html", body=body.encode())

    numbers = [*range(12), 300]
    config = CrawlConfig(
        parse="process", parse_workers=2, parse_batch=4, parser="tests.workers.test_hang_up:parse"
    )

    async def main():
        async with AsyncParsing(config) as parsing:
            return await asyncio.gather(*(parsing.parse(page(n)) for n in numbers))

    def threaded():
        with ThreadedParsing(config) as parsing:
            return [parsing.parse(page(n)) for n in numbers]

    found = asyncio.run(main()) if sys.argv[2] == "aio" else threaded()
    print(sum("parsed" in each.fields for each in found))
"""


@pytest.mark.slow
@pytest.mark.parametrize("face", ["aio", "threaded"])
def test_no_page_is_lost_and_the_process_ends(tmp_path: Path, face: str) -> None:
    """T4: four workers die at different bytes of their answers; each page has its result once.

    Then the interpreter ends: it joins the executors' threads, and none of them waits for bytes.
    """
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), face],
        capture_output=True,
        text=True,
        timeout=PATIENCE,  # the end never came
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "13\n", "")


def test_a_worker_that_starts_too_late_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Semaphores that went with their pool are no news; other failures of a start are told."""
    told: list[type[BaseException]] = []
    monkeypatch.setattr(forked, "_SAY", lambda kind, *_rest: told.append(kind))
    late = synchronize.Lock.__new__(synchronize.Lock)
    for start in (lambda: late.__setstate__((0, 1, 1, "/gone")), Path("/gone/file").read_bytes):
        with pytest.raises(FileNotFoundError) as raised:
            start()
        forked.say(raised.type, raised.value, raised.value.__traceback__)
    assert told == [FileNotFoundError]
