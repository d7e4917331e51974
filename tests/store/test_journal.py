"""The journal's frames, and what begins, continues, is refused, or is complete."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from crawler.cli.crawl_run import Order, Parts, open_crawl, run
from crawler.core.crawl_tables import CrawlTables
from crawler.engine.plugins import Plugins
from crawler.model.command_config import CommandConfig
from crawler.model.document import RawResponse
from crawler.model.errors import ConfigurationError, EnvironmentFailure, ExitCode
from crawler.model.outcome import Exchange, Fetched, Received
from crawler.model.request import Listed, Purpose, Request
from crawler.model.url import Seed, fingerprint
from crawler.store.journal import journal as journal_module
from crawler.store.journal import replay as replay_module
from crawler.store.journal.frame import Damaged, Frame, Marks, frames, last_marks, packed
from crawler.store.journal.journal import Journal, unsynced
from crawler.store.journal.kept import Kept, RecordGroup
from crawler.store.journal.replay import Replay
from crawler.store.journal.resumption import Beginning, Complete, open_state, resume
from crawler.store.journal.state_folder import FORMAT, StateFolder
from crawler.store.journal.tables_file import read_tables
from crawler.store.outlet import Outlet
from crawler.store.record import encode
from crawler.store.rendering import OpenedOutputs
from crawler.store.sinks import LIMIT, RecordSink
from crawler.store.sources import UrlSource
from tests.crash.crawl import SITE, Case, Site, crawl, wrong
from tests.patience import PATIENCE
from tests.unmannered import MANNERS_OFF

FRAMES = [
    Frame(marks=Marks(output=10, read=2), keys=[7, 8], text=b'http://a.test/ 1.0\n["x"]\n'),
    Frame(
        marks=Marks(output=30, read=2, records=1),
        ended=[7],
        hosts=b"http://a.test 9.0 {}\n",
        places=["http://a.test/"],
        by_host={"http://a.test": 2},
    ),
    Frame(marks=Marks(output=50, read=2, records=2), ended=[8]),
]
FILE = b"".join(map(packed, FRAMES))
FORMER = Path(__file__).parent / "format_1"
"""Crawls of `tests.crash` that the first version with a state was killed in."""


def read(data: bytes) -> list[Marks]:
    return [frame.marks for frame in frames(io.BytesIO(data))]


def test_frames_are_read_as_they_were_written() -> None:
    """Marks, keys, lines, hosts and places come back."""
    found = list(frames(io.BytesIO(FILE)))
    assert [list(frame.ended) for frame in found] == [[], [7], [8]]
    assert list(found[0].keys) == [7, 8] and found[0].lines == FRAMES[0].lines
    assert found[1] == replace(FRAMES[1], ended=found[1].ended, keys=found[1].keys)


def test_a_file_cut_anywhere_is_a_prefix_of_its_frames() -> None:
    """Whoever is killed in the middle of a frame has written the frames before it."""
    ends = [len(b"".join(map(packed, FRAMES[:n]))) for n in range(len(FRAMES) + 1)]
    for length in range(len(FILE) + 1):
        whole = max(n for n, end in enumerate(ends) if end <= length)
        assert read(FILE[:length]) == [frame.marks for frame in FRAMES[:whole]]


def test_a_change_in_the_middle_is_damage() -> None:
    """Any byte that is changed before the last frame is noticed, and nothing is cut off."""
    for at in range(len(packed(FRAMES[0]))):
        changed = FILE[:at] + bytes([FILE[at] ^ 1]) + FILE[at + 1 :]
        with pytest.raises(Damaged):
            read(changed)


class Place:
    """A list and an output in a folder, and crawls of the one into the other."""

    def __init__(self, folder: Path) -> None:
        self.list = folder / "list.txt"
        self.output = folder / "out.jsonl"
        self.write(range(9))

    def write(self, numbers: range) -> None:
        self.list.write_text("".join(f"http://a.test/page/{n}\n" for n in numbers))

    def crawl(self, **options: object) -> int:
        given = dict(MANNERS_OFF, parse="inline", quiet=True, backoff=0, **options)
        order = Order(
            config=CommandConfig(**given),
            seeds=[],
            inputs=[str(self.list)],
            output=str(self.output),
        )
        return run(order, lambda order, say: open_crawl(order, say, Plugins(fetcher=Site())))

    def half(self, **options: object) -> None:
        """Leave what a crawl leaves that was killed after four records, while it wrote a fifth."""
        config = CommandConfig(**options)
        held = self.output.read_bytes() if config.append else b""
        self.crawl(append=config.append)
        folder = StateFolder(str(self.output), config.state)
        folder.receipt.unlink()
        lines = self.output.read_bytes()[len(held) :].splitlines(keepends=True)
        marks = Marks(output=len(held))
        inputs = UrlSource([], [str(self.list)], config).inputs()
        journal = Journal(folder, config.lasting(), marks, inputs=inputs, sync=unsynced)
        seeds = [Seed.read(line) for line in self.list.read_text().splitlines()]
        journal.read(seeds, 0)
        for seed in seeds:
            journal.seen(seed.url.fingerprint)
            journal.waits(Listed(seed.url, seed, 0.0))
        journal.publish()
        ended = [fingerprint(json.loads(line)["url"]) for line in lines[:4]]
        kept = held + b"".join(lines[:4])
        journal.commit(ended, len(kept))
        journal.close()
        self.output.write_bytes(kept + lines[4][:20])

    def urls(self) -> list[str]:
        return sorted(json.loads(line)["url"] for line in self.output.read_bytes().splitlines())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_crawl_that_ended_leaves_a_receipt_and_says_so(place: Place) -> None:
    """The same command once more has nothing to do, and changes nothing."""
    assert place.crawl() == 0
    receipt = json.loads(StateFolder(str(place.output)).receipt.read_bytes())
    counts = {name: receipt[name] for name in ("read", "records", "repeats", "found")}
    assert counts == {"read": 9, "records": 9, "repeats": 0, "found": 0}
    before = place.output.read_bytes()
    with pytest.raises(Complete, match="9 records for 9 read; nothing to do"):
        place.crawl()
    assert place.output.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ("none", {"fields": ("url",)}, "is complete, with fields = "),
        ("longer", {}, "is complete, for another list"),
        ("other", {}, "is complete, for another list"),
    ],
)
def test_what_is_complete_is_so_for_one_list_and_its_options(
    place: Place, change: str, options: dict[str, object], said: str
) -> None:
    """Another list, or options that change records, are refused with the way out."""
    place.crawl()
    place.write({"none": range(9), "longer": range(10), "other": range(1, 10)}[change])
    with pytest.raises(ConfigurationError, match=said):
        place.crawl(**options)


@pytest.mark.slow
def test_overwriting_starts_over(place: Place) -> None:
    """With --overwrite neither state nor receipt count, and the new output has a receipt."""
    place.crawl()
    place.write(range(3))
    assert place.crawl(overwrite=True) == 0
    assert len(place.urls()) == 3
    with pytest.raises(Complete):
        place.crawl()


@pytest.mark.slow
def test_a_receipt_without_its_output_is_ignored(place: Place) -> None:
    """Who moves the records away and runs the command gets them again."""
    place.crawl()
    place.output.unlink()
    assert place.crawl() == 0
    assert len(place.urls()) == 9


@pytest.mark.slow
def test_the_same_command_goes_on_where_a_crawl_was_killed(place: Place) -> None:
    """Half a record is cut off, and each URL has one record in the end."""
    place.half(robots="ignore")
    assert place.crawl() == 0
    assert place.urls() == [f"http://a.test/page/{n}" for n in range(9)]


@pytest.mark.slow
def test_entries_behind_those_that_were_read_join_the_crawl(place: Place) -> None:
    """A list that has grown since is crawled to its new end."""
    place.half(robots="ignore")
    place.write(range(12))
    assert place.crawl() == 0
    assert len(place.urls()) == 12


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_either_engine_goes_on(place: Place, engine: str) -> None:
    """What one engine began the other may end: it changes no record."""
    place.half(robots="ignore")
    assert place.crawl(engine=engine) == 0
    assert len(place.urls()) == 9


@pytest.mark.slow
@pytest.mark.parametrize("change", ["list", "options"])
def test_a_change_is_refused_until_it_is_accepted(place: Place, change: str) -> None:
    """One line says what has changed; nothing is touched. --accept-change loses nothing."""
    place.half(robots="ignore" if change == "list" else "obey")
    if change == "list":
        place.write(range(3, 12))
    before = place.output.read_bytes()
    said = "the list has changed" if change == "list" else 'begun with robots = "obey"'
    with pytest.raises(ConfigurationError, match=said):
        place.crawl()
    assert place.output.read_bytes() == before
    assert place.crawl(accept_change=True) == 0
    assert len(place.urls()) == (12 if change == "list" else 9)


def _shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:10])


def _break(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:20] + b"\xff" + data[21:])


def _renew(path: Path) -> None:
    path.write_text(path.read_text().replace('"format": 2', '"format": 3'))


@pytest.mark.parametrize(
    ("name", "harm", "said"),
    [
        ("out.jsonl", _shorten, "has 10 bytes, and had"),
        ("out.jsonl", Path.unlink, "has 0 bytes, and had"),
        ("out.jsonl.state/seen", _shorten, "is shorter than"),
        ("out.jsonl.state/journal", _break, "broken at byte"),
        ("out.jsonl.state/run.json", _shorten, "is damaged: run.json"),
        ("out.jsonl.state/run.json", _renew, "was written by a newer crawler"),
    ],
)
def test_damage_is_refused_and_nothing_is_cut(
    place: Place, name: str, harm: Callable[[Path], object], said: str
) -> None:
    """What does not fit together is explained, and left as it is."""
    place.half(robots="ignore")
    harm(place.output.parent / name)
    before = {path: path.read_bytes() for path in place.output.parent.rglob("*") if path.is_file()}
    with pytest.raises(ConfigurationError, match=said):
        place.crawl()
    after = {path: path.read_bytes() for path in place.output.parent.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.slow
def test_a_state_is_its_owners_alone(place: Place) -> None:
    """Bodies and headers may be secret: nobody else may look into it."""
    old = os.umask(0)
    try:
        place.half()
    finally:
        os.umask(old)
    assert StateFolder(str(place.output)).path.stat().st_mode & 0o777 == 0o700


def test_a_second_process_is_told_who_writes(place: Place) -> None:
    """The lock on the output is that on its state."""
    place.half(robots="ignore")
    said = "is being written by this very process"
    with (
        closing(Outlet(str(place.output), "add", resumed=True)),
        pytest.raises(EnvironmentFailure, match=said),
    ):
        place.crawl()


@pytest.mark.slow
def test_what_is_added_to_stays_however_often_the_crawl_is_killed(place: Place) -> None:
    """With --append the old records are there in the end, and the new ones once each."""
    place.output.write_text('{"url":"http://b.test/"}\n')
    place.half(robots="ignore", append=True)
    assert place.crawl() == 0
    assert place.urls() == [*(f"http://a.test/page/{n}" for n in range(9)), "http://b.test/"]


def test_the_state_of_another_output_is_refused(place: Place, tmp_path: Path) -> None:
    """--state DIR belongs to one output."""
    place.half(robots="ignore", state=str(tmp_path / "state"))
    place.output = tmp_path / "other.jsonl"
    with pytest.raises(ConfigurationError, match=r"belongs to .*out\.jsonl"):
        place.crawl(state=str(tmp_path / "state"))


@pytest.mark.parametrize(
    ("state", "said"), [("none/here", "does not exist"), ("list.txt", "is not a directory")]
)
def test_a_place_where_no_state_can_be_made_is_told_at_once(
    place: Place, tmp_path: Path, state: str, said: str
) -> None:
    """One line before the crawl starts, with what to do."""
    with pytest.raises(ConfigurationError, match=f"{said}.*--state none"):
        place.crawl(state=str(tmp_path / state))


@pytest.mark.slow
def test_a_full_journal_wakes_the_engine_after_its_commit(tmp_path: Path) -> None:
    """What waits for a commit counts as full, and an engine is told when it is committed."""
    output = str(tmp_path / "out.jsonl")
    journal = Journal(StateFolder(output), {}, sync=unsynced)
    room = threading.Event()
    seed = Seed.read("http://a.test/" + "x" * 1_000)
    for _ in range(LIMIT // 1_000 + 1):
        journal.waits(Listed(seed.url, seed, 0.0))
    journal.publish()
    kept = Kept([Outlet(output, apart=True)], journal, unsynced)
    with closing(RecordSink(output, kept=kept, on_room=room.set)) as sink:
        assert room.wait(PATIENCE)
        assert sink.has_room


def test_no_state_is_kept_where_none_is_wanted(place: Place) -> None:
    """With --state none an output that holds something is refused, as there is no receipt."""
    assert place.crawl(state="none") == 0
    assert sorted(path.name for path in place.output.parent.iterdir()) == ["list.txt", "out.jsonl"]
    with pytest.raises(ConfigurationError, match="holds"):
        place.crawl(state="none")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["list", "follow"])
def test_a_state_of_format_1_is_continued_and_migrated(tmp_path: Path, kind: str) -> None:
    """A state that an older version has left, with retries and redirects, loses nothing."""
    shutil.copytree(FORMER / kind, tmp_path, dirs_exist_ok=True)
    case = Case("async", kind, "jsonl")
    before = [frame.marks.records for frame in StateFolder(str(tmp_path / "out.jsonl")).frames()]
    assert crawl(case, tmp_path) == 0
    assert wrong(case, tmp_path, complete=True) == ""
    assert before[-1] > 10


def test_what_a_migrated_state_holds_is_of_the_present_format(tmp_path: Path) -> None:
    """The first thing that a run does with an older state is to write its base anew."""
    shutil.copytree(FORMER / "list", tmp_path, dirs_exist_ok=True)
    folder = StateFolder(str(tmp_path / "out.jsonl"))
    options = folder.run()["options"]
    begun = _resumed(folder, options, [f"{SITE}/page/0"])
    with closing(begun.left), closing(begun.kept.journal):
        assert folder.run()["format"] == FORMAT
        assert (folder.path / "journal").read_bytes().startswith(b"CRJ2")
        assert len(begun.left.take(1_000)) == begun.waiting == begun.kept.journal.marks.left


@pytest.mark.parametrize("grown", [False, True])
def test_a_journal_goes_on_as_it_is_until_it_has_grown(
    place: Place, monkeypatch: pytest.MonkeyPatch, grown: bool
) -> None:
    """Its torn end is cut, and the same URLs wait whether it gets a new base or not."""
    seeds = [Seed.read(f"{SITE}/page/{n}") for n in range(30)]
    place.list.write_text("".join(f"{seed.input}\n" for seed in seeds))
    keys = [seed.url.fingerprint for seed in seeds]
    journal = Journal(StateFolder(str(place.output)), {}, sync=unsynced)
    with closing(journal):
        for at, seed in enumerate(seeds):
            journal.read([seed], 0)
            journal.waits(Listed(seed.url, seed, 0.0))
            journal.publish()
            journal.commit(keys[at : at + 1] if at % 3 else [], 0)
    monkeypatch.setattr(journal_module, "_LEAST", 1 if grown else 10**6)
    monkeypatch.setattr(journal_module, "_GROWTH", 1)
    path = journal.folder.path / "journal"
    whole = path.read_bytes()
    path.write_bytes(whole + packed(Frame(marks=journal.marks, ended=keys))[:-1])
    for ended in (keys[3], keys[6]):
        before = path.stat().st_ino
        begun = _resumed(journal.folder, {}, [])
        with closing(begun.left), closing(begun.kept.journal):
            left = [line.split()[0].decode() for line in begun.left.take(100)]
            begun.kept.journal.commit([ended], 0)
        assert (path.stat().st_ino == before) != grown
        assert begun.waiting == len(left) == (10 if ended == keys[3] else 9)
    assert left == [seed.input for seed in seeds[::3] if seed.input != seeds[3].input]
    assert path.read_bytes().startswith(whole) != grown


def _resumed(folder: StateFolder, options: Mapping[str, Any], seeds: list[str]) -> Beginning:
    """Continue a crawl of seeds and of the list next to its output."""
    inputs = [str(Path(folder.output).with_name("list.txt"))]
    outlet = Outlet(folder.output, "add", apart=True, resumed=True)
    with closing(UrlSource(seeds, inputs, CommandConfig())) as source, closing(outlet):
        opened = OpenedOutputs(outlets=(outlet,), encoders=(encode,))
        return resume(folder, options, opened, source, sync=unsynced)


def test_a_line_counts_until_its_key_has_a_later_one_or_has_ended() -> None:
    """A replay finds each URL that waits once, by its last line, in the order of the file."""
    history = [
        Frame(marks=Marks(), keys=[1, 2, 3], text=b"one\ntwo\nthree\n"),
        Frame(marks=Marks(), keys=[1, 4], ended=[3], text=b"one again\nfour\n"),
        Frame(marks=Marks(read=4), keys=[4], ended=[2], text=b"four again\n"),
    ]
    replay = Replay(io.BytesIO(b"".join(map(packed, history))))
    base = io.BytesIO(b"".join(replay.base()))
    lines = [line for frame in frames(base) for line in frame.lines]
    assert lines == [b"one again\n", b"four again\n"]
    assert replay.waiting == 2 and replay.marks == Marks(read=4)


def test_classes_of_keys_come_to_the_same_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few keys are compared at a time, a replay finds the same lines in the same order."""
    keys = [key * 2_654_435_761 % 2**64 for key in range(100)]
    text = b"".join(b"%d\n" % key for key in keys)
    data = packed(Frame(marks=Marks(), keys=keys, text=text))
    data += packed(Frame(marks=Marks(), ended=keys[::3]))
    bases = []
    for most in (1_000, 7):
        monkeypatch.setattr(replay_module, "_CLASS", most)
        bases.append(b"".join(Replay(io.BytesIO(data)).base()))
    assert bases[0] == bases[1]


@pytest.mark.slow
def test_a_journal_that_has_grown_gets_a_new_base_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shrinks while it is written, and comes to the same as one that never did."""
    monkeypatch.setattr(journal_module, "_LEAST", 10_000)
    output = str(tmp_path / "out.jsonl")
    Path(output).touch()
    journal = Journal(StateFolder(output), {}, sync=unsynced)
    seeds = [Seed.read(f"http://a.test/{n}") for n in range(2_000)]
    sizes = []
    for at, seed in enumerate(seeds):
        journal.read([seed], 0)
        journal.waits(Listed(seed.url, seed, 0.0))
        journal.publish()
        journal.commit([seeds[at - 5].url.fingerprint] if at >= 5 else [], 0)
        if at % 10 == 0:
            journal.settled()  # or the file grows while the thread waits for its turn
        sizes.append((journal.folder.path / "journal").stat().st_size)
    journal.close()
    assert max(sizes) < 100_000 and any(b < a for a, b in pairwise(sizes))
    with journal.folder.journal() as file:
        replay = Replay(file)
        left = [line.split()[0] for frame in frames(io.BytesIO(b"".join(replay.base())))
                for line in frame.lines]  # fmt: skip
    assert left == [seed.input.encode() for seed in seeds[-5:]]
    assert replay.marks.records == len(seeds) - 5


def test_after_a_failed_sync_nothing_is_tried_again(place: Place) -> None:
    """What the disk has is not known then: the run ends, and the same command recovers."""
    calls: list[int] = []

    def failing(number: int) -> None:
        calls.append(number)
        if len(calls) >= 3:  # the output and its name last, and the state does not
            raise OSError(errno.EIO, "Input/output error")

    journal = Journal(StateFolder(str(place.output)), CommandConfig().lasting(), sync=failing)
    kept = Kept([Outlet(str(place.output), apart=True)], journal, failing)
    seed = Seed.read("http://a.test/page/1")
    journal.read([seed], 0)
    journal.seen(seed.url.fingerprint)
    journal.publish()
    with pytest.raises(EnvironmentFailure, match="Input/output error"):
        kept.write(RecordGroup([b"{}\n"]))
    before = len(calls), journal.folder.path.joinpath("journal").read_bytes()
    journal.read([seed], 0)
    journal.publish()
    for again in (lambda: kept.write(RecordGroup([b"{}\n"])), lambda: kept.end(whole=True)):
        with pytest.raises(EnvironmentFailure):
            again()
    assert (len(calls), journal.folder.path.joinpath("journal").read_bytes()) == before
    kept.outlets[0].close()
    journal.close()


@pytest.mark.slow
def test_failures_are_counted_with_their_records(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that goes on knows how many records of the earlier ones are failures."""
    counted: list[Marks] = []

    def finish(journal: Journal, _others: object) -> None:
        counted.append(journal.marks)
        journal.close()

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "finish", finish)
        assert place.crawl(retries=0) == ExitCode.FINISHED
    (marks,) = counted
    assert (marks.records, marks.failed, marks.outcomes["connect"]) == (9, 1, 1)
    StateFolder(str(place.output)).discard()
    place.output.unlink()
    place.half()
    folder = StateFolder(str(place.output))
    with folder.journal() as file:
        last = last_marks(file)
    with (folder.path / "journal").open("ab") as file:
        file.write(packed(Frame(marks=replace(last, failed=2, outcomes={"page": 2, "dns": 2}))))
    source = UrlSource([], [str(place.list)], CommandConfig())
    beginning = open_state(str(place.output), CommandConfig(), source)
    assert beginning.earlier.failed == 2
    assert beginning.earlier.outcomes == {"page": 2, "dns": 2}
    for each in (beginning.left, beginning.kept.journal, *beginning.kept.outlets):
        each.close()


@pytest.mark.slow
def test_options_that_were_accepted_are_those_of_the_crawl_from_then_on(place: Place) -> None:
    """--accept-change is needed once, however often the crawl is continued."""
    place.half(robots="obey")
    config = CommandConfig(**dict(MANNERS_OFF, accept_change=True))
    with closing(UrlSource([], [str(place.list)], config)) as source:
        begun = open_state(str(place.output), config, source)
    with closing(begun.kept.outlets[0]), closing(begun.kept.journal), closing(begun.left):
        assert begun.resumed
    assert place.crawl() == 0


@pytest.mark.slow
def test_an_option_that_is_newer_than_the_state_had_its_default(place: Place) -> None:
    """A new version with a new option continues what an older one began."""
    place.half(robots="ignore")
    run = place.output.parent / "out.jsonl.state" / "run.json"
    said = json.loads(run.read_bytes())
    del said["options"]["max_pages"]
    said["options"]["gone"] = 5
    run.write_text(json.dumps(said))
    assert place.crawl() == 0


def test_the_state_says_what_the_list_was(place: Place) -> None:
    """Name, size, time and the hash of its head; a list of another size is told by it."""
    place.half(robots="ignore")
    inputs = StateFolder(str(place.output)).run()["inputs"]
    size = place.list.stat().st_size
    assert [(each["name"], each["size"]) for each in inputs] == [(str(place.list), size)]
    assert inputs[0]["head"] == hashlib.sha256(place.list.read_bytes()).hexdigest()
    place.write(range(3, 12))
    with pytest.raises(ConfigurationError, match=rf"list\.txt had {size} bytes and has"):
        place.crawl()


class Asked:
    """A site with a robots.txt that stops its crawl after so many pages, and counts requests."""

    def __init__(self) -> None:
        self.left = 0
        self.robots = 0
        self.parts: Parts | None = None

    def fetch(self, request: Request) -> Fetched:
        if request.purpose is not Purpose.PAGE:
            self.robots += 1
            return self.received(request, b"User-agent: *\nDisallow: /page/3\n")
        self.left -= 1
        if self.left == 0 and self.parts is not None:
            self.parts.session.stop()
        return self.received(request, b"<p>a page")

    def received(self, request: Request, body: bytes) -> Fetched:
        url = request.url.href
        response = RawResponse(url=url, status=200, content_type="text/html", body=body)
        return Received(request=request, exchange=Exchange(status=200), response=response)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_a_robots_txt_is_read_once_by_all_runs_of_a_crawl(place: Place, engine: str) -> None:
    """Its rules are in the state: the second run skips what they forbid without asking."""
    site = Asked()
    options = dict(MANNERS_OFF, robots="obey", parse="inline", quiet=True, per_host=1)
    order = Order(
        config=CommandConfig(**options, engine=engine),
        seeds=[],
        inputs=[str(place.list)],
        output=str(place.output),
    )

    def opened(order: Order, say: Callable[[str], None]) -> Parts:
        site.parts = open_crawl(order, say, Plugins(fetcher=site))
        return site.parts

    site.left = 2
    run(order, opened)
    assert StateFolder(str(place.output)).begun and site.robots == 1
    site.left = 0
    assert run(order, opened) == 0
    assert site.robots == 1
    records = [json.loads(line) for line in place.output.read_bytes().splitlines()]
    assert sorted(record["url"] for record in records if record["kind"] == "robots") == [
        "http://a.test/page/3"
    ]
    assert len(records) == 9


@pytest.mark.slow
def test_what_was_learned_is_written_with_a_new_base_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill loses what was learned since the last base at most, and a stopped run nothing."""
    monkeypatch.setattr(journal_module, "_LEAST", 500)
    output = str(tmp_path / "out.jsonl")
    journal = Journal(StateFolder(output), {}, sync=unsynced)
    kept = Kept([Outlet(output, apart=True)], journal, unsynced)
    refused = {"more than --max-pages": 1}
    journal.learns(lambda: CrawlTables(refused=dict(refused)))
    for number in range(20):
        seed = Seed.read(f"http://a.test/{number}")
        journal.read([seed], 0)
        journal.waits(Listed(seed.url, seed, 0.0))
        journal.publish()
        kept.write(RecordGroup([b"{}\n"]))
        journal.settled()
    assert read_tables(journal.folder.path).refused == refused
    refused["more than --max-pages"] = 2
    kept.end(whole=False)
    kept.outlets[0].close()
    assert read_tables(journal.folder.path).refused == refused
