"""Standard input that a crawl goes on with: copied before it is crawled, compared when it comes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.model.errors import ConfigurationError
from crawler.store import input_copy
from crawler.store.input_copy import InputCopy, copied_whole

LIST = [b"http://a.test/1\nhttp://a.", b"test/2\nhttp://a.test/3\n"]


def never() -> bool:
    return False


def read(copy: InputCopy, fresh: list[bytes]) -> bytes:
    return b"".join(copy.blocks(iter(fresh), lambda _size: None, never))


def copied(path: Path, fresh: list[bytes]) -> InputCopy:
    copy = InputCopy(path)
    read(copy, fresh)
    copy.adopt()
    copy.close()
    return copy


def loaded(path: Path, length: int = 0) -> InputCopy:
    copy = InputCopy(path)
    copy.load(length)
    return copy


def test_what_is_read_is_in_the_copy_before(tmp_path: Path) -> None:
    """Each block that the crawl gets lies in the file, as a whole."""
    copy = InputCopy(tmp_path / "input")
    for number, block in enumerate(copy.blocks(iter(LIST), lambda _size: None, never)):
        assert block == LIST[number]
        assert block in (tmp_path / "input.new").read_bytes()
    copy.close()


@pytest.mark.parametrize(
    ("fresh", "whole"),
    [
        ([], LIST),
        (LIST, LIST),
        ([b"".join(LIST)], LIST),
        ([LIST[0][:7], LIST[0][7:]], LIST),
        ([*LIST, b"http://a.test/4\n"], [*LIST, b"http://a.test/4\n"]),
        ([b"".join(LIST)[:20], b"".join(LIST)[20:] + b"4"], [*LIST, b"4"]),
    ],
    ids=["nothing", "the same", "in one block", "a part", "more", "more in a block"],
)
def test_a_list_that_comes_again_is_read_once(
    tmp_path: Path, fresh: list[bytes], whole: list[bytes]
) -> None:
    """What an earlier run has copied counts; what comes behind it is added."""
    path = tmp_path / "input"
    assert copied(path, LIST).ended
    again = loaded(path)
    assert read(again, fresh) == b"".join(whole)
    assert again.ended
    again.close()
    assert read(loaded(path), []) == b"".join(whole)


def test_the_end_is_known_when_it_was_seen(tmp_path: Path) -> None:
    """A copy that was cut off by a kill tells so, until the list has come as a whole."""
    path = tmp_path / "input"
    copied(path, LIST)
    data = path.read_bytes()
    path.write_bytes(data[:-8])  # without the block of the end
    assert not loaded(path).ended
    cut = loaded(path)
    assert read(cut, []) == b"".join(LIST) and not cut.ended
    whole = loaded(path)
    assert read(whole, LIST) == b"".join(LIST) and whole.ended
    whole.close()
    assert loaded(path).ended


def test_a_torn_block_is_cut_off_unless_it_was_committed(tmp_path: Path) -> None:
    """A kill leaves a torn block at the end, which comes again; what was committed is damage."""
    path = tmp_path / "input"
    copied(path, LIST)
    data = path.read_bytes()
    path.write_bytes(data[:-12])
    with pytest.raises(ValueError, match="whole bytes, and had"):
        InputCopy(path).load(len(data))
    again = loaded(path, 20)
    assert read(again, LIST) == b"".join(LIST)
    again.close()


@pytest.mark.slow
def test_another_list_is_copied_from_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long its first block takes to write, the second one waits for it."""
    path, asked = tmp_path / "input", threading.Event()
    copied(path, LIST)

    def other() -> Iterator[bytes]:
        yield b"http://b.test/\n"
        asked.set()
        yield b"http://c.test/\n"

    def write(descriptor: int, data: bytes) -> None:
        if threading.current_thread() is threading.main_thread():
            assert not asked.wait(3 * input_copy._TICK)
        whole(descriptor, data)

    whole = input_copy.disk.write
    monkeypatch.setattr(input_copy.disk, "write", write)
    copy = loaded(path)
    blocks = copy.blocks(other(), lambda _size: None, never)
    next(blocks)
    assert copy.differs(accept_change=True)
    copy.renew()
    assert read(copy, []) == b"http://b.test/\nhttp://c.test/\n"
    copy.close()


def test_another_list_is_refused_at_once(tmp_path: Path) -> None:
    """Its first block tells; with the change accepted it takes the place of the former."""
    path = tmp_path / "input"
    copied(path, LIST)
    other = [b"http://b.test/\n", b"http://c.test/\n"]
    copy = loaded(path)
    blocks = copy.blocks(iter(other), lambda _size: None, never)
    next(blocks)
    with pytest.raises(ConfigurationError, match="standard input: the list has changed"):
        copy.differs(accept_change=False)
    assert copy.differs(accept_change=True)
    copy.renew()
    assert read(copy, []) == b"".join(other) and copy.ended
    copy.close()
    assert read(loaded(path), []) == b"".join(other)


def test_another_list_that_begins_alike_is_refused_where_it_differs(tmp_path: Path) -> None:
    """What was known is crawled, and then the reader is told."""
    path = tmp_path / "input"
    copied(path, LIST)
    copy = loaded(path)
    with pytest.raises(ConfigurationError, match="the list has changed"):
        read(copy, [LIST[0], b"test/5\n"])
    copy.close()


def test_the_copy_is_not_far_ahead_of_the_crawl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endless input fills no disk: it is read as it is used up."""
    monkeypatch.setattr(input_copy, "AHEAD", 1_000)
    given: list[int] = []

    def endless() -> Iterator[bytes]:
        for number in range(1_000_000):
            given.append(number)
            yield b"x" * 100

    over: list[bool] = []
    copy = InputCopy(tmp_path / "input")
    blocks = copy.blocks(endless(), lambda _size: None, lambda: bool(over))
    for number in range(50):
        next(blocks)
        assert len(given) <= number + 13
    over.append(True)
    blocks.close()  # type: ignore[attr-defined]
    copy.close()


@pytest.mark.parametrize(
    ("second", "accept", "whole"),
    [
        (b"", False, b"one\n"),
        (b"one\n", False, b"one\n"),
        (b"on", False, b"one\n"),
        (b"one\ntwo\n", False, b"one\ntwo\n"),
        (b"other\n", True, b"other\n"),
    ],
)
def test_a_copy_for_several_processes_is_whole(
    tmp_path: Path, second: bytes, accept: bool, whole: bytes
) -> None:
    """Nothing, a part or the same leave it; more of it, or another list accepted, replace it."""
    place = tmp_path / "input"
    copied_whole(place, iter([b"one\n"]), accept_change=False)
    copied_whole(place, iter([second]), accept_change=accept)
    assert place.read_bytes() == whole
    assert [path.name for path in tmp_path.iterdir()] == ["input"]


def test_another_list_for_several_processes_is_refused(tmp_path: Path) -> None:
    """The copy is left as it was."""
    place = tmp_path / "input"
    copied_whole(place, iter([b"one\n"]), accept_change=False)
    with pytest.raises(ConfigurationError, match="the list has changed"):
        copied_whole(place, iter([b"two\n"]), accept_change=False)
    assert place.read_bytes() == b"one\n"


PROGRAM = """
import os, sys
from pathlib import Path
from crawler.cli.crawl_run import Order, Parts, open_crawl, run
from crawler.engine.plugins import Plugins
from crawler.model.command_config import CommandConfig
from crawler.model.errors import CrawlerError
from crawler.store.journal import disk
from tests.crash.crawl import Site
from tests.unmannered import MANNERS_OFF

output, pages, engine = sys.argv[1], int(sys.argv[2]), sys.argv[3]
class Few(Site):
    def fetch(self, request):
        global pages
        pages -= 1
        if pages == 0:
            self.parts.session.stop()
        return super().fetch(request)

def opened(order, say):
    site = Few()
    site.parts = open_crawl(order, say, Plugins(fetcher=site))
    return site.parts

options = dict(MANNERS_OFF, engine=engine, parse="inline", quiet=True, per_host=1, backoff=0)
order = Order(config=CommandConfig(**options), seeds=[], inputs=["-"], output=output)
try:
    code = run(order, opened)
except CrawlerError as error:
    print(error, file=sys.stderr)
    code = int(error.exit_code)
sys.stderr.flush()
os._exit(code)
"""


def crawled(output: Path, given: bytes, pages: int, engine: str) -> tuple[int, str]:
    """Crawl standard input in a process, and stop after so many fetches (0: never)."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(output), str(pages), engine],
        input=given,
        capture_output=True,
        timeout=300,
        check=False,
        cwd=os.getcwd(),
    )
    return done.returncode, done.stderr.decode()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_a_crawl_of_a_pipe_goes_on_without_it(tmp_path: Path, engine: str) -> None:
    """Nothing on standard input continues it, as does the same list; another is refused."""
    output = tmp_path / "out.jsonl"
    given = b"".join(b"http://a.test/page/%d\n" % n for n in (1, 2, 3, 4, 5, 6))
    crawled(output, given, 2, engine)
    assert (tmp_path / "out.jsonl.state" / "input").exists()
    code, said = crawled(output, b"http://b.test/\n", 0, engine)
    assert code == 2 and "the list has changed" in said
    assert crawled(output, b"", 0, engine)[0] == 0
    assert len(output.read_bytes().splitlines()) == 6
    for again in (b"", given):
        code, said = crawled(output, again, 0, engine)
        assert code == 0 and "complete since" in said


def test_a_name_lasts_before_a_frame_counts_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also that of a copy which is begun when there is a state already."""
    settled: list[list[str]] = []
    monkeypatch.setattr(
        input_copy.disk, "settle", lambda folder: settled.append(sorted(os.listdir(folder)))
    )
    copied(tmp_path / "input", LIST)
    late = InputCopy(tmp_path / "late")
    late.adopt()
    read(late, LIST)
    late.close()
    assert settled == [["input"], ["input", "late"]]
