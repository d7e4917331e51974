"""Who parses: every executor gives the same, and a hostile page costs itself alone."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from crawler.model.config import CrawlConfig
from crawler.model.document import Document, RawResponse
from crawler.model.errors import ConfigurationError
from crawler.model.outcome import Kind, Parsed, ParseFault
from crawler.runtime.event_loop import loop_factory
from crawler.workers import lanes
from crawler.workers.hand_over import AsyncParsing, ThreadedParsing
from tests.patience import PATIENCE, until

HOSTILE = "tests.workers.parsers:hostile"
HTML = b"<!doctype html><title>A page</title><a href=/x>x</a>"
KINDS = {
    b"exit": Kind.PARSE_CRASH,
    b"kill": Kind.PARSE_CRASH,
    b"loop": Kind.PARSE_TIMEOUT,
    b"stubborn": Kind.PARSE_TIMEOUT,
    b"sleep": Kind.PARSE_TIMEOUT,
    b"raise": Kind.PARSE,
    b"leave": Kind.PARSE,
    b"list": Kind.PARSE,
    b"object": Kind.PARSE,
}

Parse = Callable[[Sequence[bytes], CrawlConfig], list[Parsed]]


def response(body: bytes, number: int = 0) -> RawResponse:
    return RawResponse(
        url=f"http://a.example/{number}", status=200, content_type="text/html", body=body
    )


def on_a_loop(factory: Callable[[], asyncio.AbstractEventLoop]) -> Parse:
    async def all_of(bodies: Sequence[bytes], config: CrawlConfig) -> list[Parsed]:
        async with AsyncParsing(config) as parsing:

            async def one(number: int, body: bytes) -> Parsed:
                page = response(body, number)
                return parsing.parse_nowait(page) or await parsing.parse(page)

            return await asyncio.gather(*(one(*pair) for pair in enumerate(bodies)))

    def parse(bodies: Sequence[bytes], config: CrawlConfig) -> list[Parsed]:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(all_of(bodies, config))

    return parse


def in_threads(bodies: Sequence[bytes], config: CrawlConfig) -> list[Parsed]:
    results: list[Parsed | None] = [None] * len(bodies)
    numbers = iter(range(len(bodies)))
    lock = threading.Lock()

    def slot() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            results[number] = parsing.parse(response(bodies[number], number))

    with ThreadedParsing(config) as parsing:
        threads = [threading.Thread(target=slot) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return [result for result in results if result is not None]


FACES = {
    "asyncio": on_a_loop(loop_factory("asyncio")),
    "uvloop": on_a_loop(loop_factory("uvloop")),
    "threads": in_threads,
}


@pytest.fixture(params=FACES)
def parse(request: pytest.FixtureRequest) -> Parse:
    return FACES[request.param]


def config(**options: object) -> CrawlConfig:
    options = {"parse": "process", "parse_workers": 2} | options
    return CrawlConfig(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("executor", ["inline", "thread", "process", "auto"])
def test_every_executor_gives_the_same(parse: Parse, executor: str) -> None:
    """The fields of forty pages are equal, whoever parses them."""
    bodies = [HTML + b"<p>%d" % number for number in range(40)]
    parsed = parse(bodies, config(parse=executor))
    assert [document.json for document in parsed if isinstance(document, Document)] == [
        document.json
        for document in FACES["asyncio"](bodies, config(parse="inline"))
        if isinstance(document, Document)
    ]
    assert len(parsed) == 40


def test_none_hashes_and_parses_nothing(parse: Parse) -> None:
    """Without a parser the fields are empty, but the body's hash is there."""
    (document,) = parse([HTML], config(parse="none"))
    assert isinstance(document, Document)
    assert document.fields["title"] is None
    assert document.fields["links"] == []
    assert len(document.fields["body_hash"]) == 64


@pytest.mark.slow
def test_hostile_pages_cost_themselves_alone(parse: Parse) -> None:
    """Among 190 good pages ten hostile ones fail, each as what it is, and nothing else does."""
    hostile = [b"exit", b"raise", b"loop", b"exit", b"kill", b"stubborn", b"list", b"object"]
    hostile += [b"leave", b"sleep"]
    bodies = [b"good %d" % number for number in range(190)]
    for place, body in enumerate(hostile):
        bodies.insert(place * 19 + 3, body)
    parsed = parse(bodies, config(parser=HOSTILE, parse_timeout=2.0))
    for body, result in zip(bodies, parsed, strict=True):
        if isinstance(result, Document):
            assert result.fields["parsed"]["length"] == len(body)
        else:
            assert result.kind is KINDS[body], (body, result)
    assert sum(isinstance(result, ParseFault) for result in parsed) == len(hostile)


@pytest.mark.slow
def test_what_is_not_an_answer_costs_its_page_alone(parse: Parse) -> None:
    """T6: workers that send other things than answers, or more than is taken, fail two pages."""
    bodies = [b"good %d" % number for number in range(60)]
    bodies[20], bodies[40] = b"babble", b"flood"
    parsed = parse(bodies, config(parser=HOSTILE))
    failed = {body: each for body, each in zip(bodies, parsed, strict=True) if not fields(each)}
    assert {body: each.kind for body, each in failed.items() if isinstance(each, ParseFault)} == {
        b"babble": Kind.PARSE,
        b"flood": Kind.PARSE_CRASH,
    }
    babble = failed[b"babble"]
    assert isinstance(babble, ParseFault)
    assert babble.reason == "the parser's worker sent str of 2, expected JSON or a failure"


def fields(parsed: Parsed) -> object:
    return parsed.fields["parsed"] if isinstance(parsed, Document) else None


def test_threads_give_up_a_page_that_hangs(parse: Parse) -> None:
    """A page that sleeps in a thread is given up in time, and the others are parsed."""
    bodies = [b"one", b"raise", b"two"]
    parsed = parse(bodies, config(parse="thread", parser=HOSTILE, parse_timeout=1.0))
    assert [isinstance(result, Document) for result in parsed] == [True, False, True]


def test_a_parser_of_ones_own_runs_in_processes_unless_told(parse: Parse) -> None:
    """Under auto a user's function never runs in the crawler's own process."""
    (document,) = parse([b"good"], config(parse="auto", parser=HOSTILE))
    assert isinstance(document, Document)
    assert document.fields["parsed"]["pid"] != os.getpid()


def test_reasons_are_one_line(parse: Parse) -> None:
    """What a parser raised is said in one line, with its class."""
    (fault,) = parse([b"raise"], config(parser=HOSTILE))
    assert isinstance(fault, ParseFault) and fault.kind is Kind.PARSE
    line = r"ValueError: not a page of mine at all \(parsers\.py:\d+\)"
    assert re.fullmatch(line, fault.reason)


@pytest.mark.parametrize(
    ("parser", "said"),
    [
        ("nowhere:function", "No module named 'nowhere'"),
        ("tests.workers.parsers:missing", "missing"),
        ("tests.workers.parsers:NOT_A_FUNCTION", "not a function"),
    ],
)
async def test_a_parser_that_is_none_is_refused_at_once(parser: str, said: str) -> None:
    """The error comes before the crawl, and names what is missing."""
    with pytest.raises(ConfigurationError, match=f"(?i){said}"):
        async with AsyncParsing(config(parser=parser)):
            pass


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python has interpreters")
def test_interpreters_need_their_python() -> None:
    """On an older Python the executor is refused in one line that says what to use."""
    with pytest.raises(ConfigurationError, match=r"needs Python 3\.14"):
        AsyncParsing(config(parse="interpreter"))


def test_interpreters_that_cannot_load_the_parser_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before the crawl, with the library that does not load and what to use instead."""
    monkeypatch.setattr(lanes.futures, "InterpreterPoolExecutor", object, raising=False)
    why = "module orjson.orjson does not support loading in subinterpreters"
    monkeypatch.setattr(lanes, "unloadable", lambda *_modules: why)
    with pytest.raises(ConfigurationError, match=rf"cannot run the parser: {why}; use process"):
        AsyncParsing(config(parse="interpreter"))


@pytest.mark.skipif(sys.version_info < (3, 14), reason="this Python has no interpreters")
def test_what_loads_in_an_interpreter_is_found_by_trying() -> None:
    """Pure Python loads; a module that is not there does not, and says so."""
    assert lanes.unloadable("import json") == ""
    assert "nowhere" in lanes.unloadable("import nowhere")


def children() -> set[int]:
    """The live processes below this one, grandchildren too."""
    found: set[int] = set()
    parents = [os.getpid()]
    while parents:
        path = Path(f"/proc/{parents.pop()}/task")
        with suppress(OSError):
            for task in path.iterdir():
                below = {int(pid) for pid in (task / "children").read_text().split()}
                parents += below - found
                found |= below
    return found


def alive(pids: set[int]) -> set[int]:
    states = {}
    for pid in pids:
        with suppress(OSError):
            states[pid] = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return {pid for pid, state in states.items() if state != "Z"}


def gone(pids: set[int]) -> bool:
    """Whether all of `pids` end."""
    return until(lambda: not alive(pids))


@pytest.mark.slow
def test_closing_leaves_no_worker(parse: Parse) -> None:
    """When the parsing is closed its workers are gone, one that hangs included."""
    before = children()
    parse([b"good", b"stubborn"], config(parser=HOSTILE, parse_timeout=0.2))
    servers = {pid for pid in children() - before if b"forkserver" in _command(pid)}
    assert gone(children() - before - servers - _trackers())


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _trackers() -> set[int]:
    return {pid for pid in children() if b"resource_tracker" in _command(pid)}


SCRIPT = """
    import sys
    sys.path.insert(0, sys.argv[1])
    import asyncio, os
    from crawler.model.config import CrawlConfig
    from crawler.model.document import RawResponse
    from crawler.workers.hand_over import AsyncParsing

    print("top", flush=True)

    async def main():
        parser = "tests.workers.parsers:hostile"
        config = CrawlConfig(parse="process", parse_workers=2, parser=parser)
        async with AsyncParsing(config) as parsing:
            page = RawResponse(url="http://a/", status=200, content_type="text/html", body=b"good")
            document = await parsing.parse(page)
            print("pid", document.fields["parsed"]["pid"], flush=True)
            if sys.argv[2] == "hang":
                page = RawResponse(url="http://a/", status=200, content_type="", body=b"stubborn")
                await parsing.parse(page)

    asyncio.run(main())
    print("end", flush=True)
"""


def script(tmp_path: Path, what: str) -> subprocess.Popen[str]:
    path = tmp_path / "plain_script.py"
    path.write_text(textwrap.dedent(SCRIPT))
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, str(path), str(root), what],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=root,
    )


@pytest.mark.slow
def test_a_plain_script_needs_no_main_guard(tmp_path: Path) -> None:
    """A script without `if __name__ == "__main__"` runs once, not once more in every worker."""
    out, err = script(tmp_path, "end").communicate(timeout=PATIENCE)
    words = [line.split()[0] for line in out.splitlines()]
    assert words == ["top", "pid", "end"], err
    assert err == ""


@pytest.mark.slow
def test_kill_nine_leaves_no_orphan(tmp_path: Path) -> None:
    """Workers end with a crawler that is killed with SIGKILL, even one in an endless loop."""
    with script(tmp_path, "hang") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "top\n"
        worker = int(process.stdout.readline().split()[1])
        assert alive({worker})
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
        assert gone({worker})
