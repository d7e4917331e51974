"""One crawl of a web in memory that kills itself at a chosen change to the disk."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
import traceback
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import zstandard
from warcio.archiveiterator import ArchiveIterator

from crawler.cli.crawl_run import Order, open_crawl, run
from crawler.engine.plugins import Plugins
from crawler.model.command_config import CommandConfig
from crawler.model.document import RawResponse
from crawler.model.errors import CrawlerError
from crawler.model.outcome import Exchange, Failed, Fetched, Kind, Received, Redirect
from crawler.model.request import Purpose, Request
from crawler.store import blocks, descriptor, sinks
from crawler.store.journal import disk, handover, journal
from crawler.store.journal.state_folder import StateFolder
from crawler.store.volumes import size_of_all, volumes_of
from tests.crash.ledger import Ledger, targets
from tests.unmannered import MANNERS_OFF

PAGES = 120
WARC_SIZE = 5_000
"""Bytes after which a WARC goes on in another file: an archive has several."""
FORMS = ("jsonl", "jsonl.gz", "jsonl.zst", "csv.gz", "warc.gz")
"""The last two have JSON lines as a second output."""
SAVED = "jsonl with bodies"
"""JSON lines next to the bodies of the pages as files (`--save`)."""
KINDS = ("list", "follow", "stdin", "elsewhere", "targets")
SITE = "http://a.test"
LEAST = (1_000, 30_000, 1_000_000)
"""Bytes of a journal that gets a new base: at every chance, some time, and never."""
KILLED = 9


class Case(NamedTuple):
    """An engine, what is crawled, and the output's form.

    A list, a site by its links, or a list on standard input whose host has a robots.txt; a list
    whose state lies in another directory than the output; or a list with methods.
    """

    engine: str
    kind: str
    form: str


class Site:
    """A web in memory: pages that link on, redirects, and pages that fail at first."""

    ledger: Ledger | None = None

    def fetch(self, request: Request) -> Fetched:
        """Answer as the path says."""
        href = request.url.href
        if request.purpose is Purpose.ROBOTS:
            text = RawResponse(url=href, status=200, content_type="text/plain", body=b"")
            return Received(request=request, exchange=Exchange(status=200), response=text)
        number = int(href.rpartition("/")[2] or 0)
        exchange = Exchange(status=200, body_bytes=4, wire_bytes=4, total=0.01)
        if "/moved/" in href:
            if self.ledger is not None:
                self.ledger.note(request)
            return Redirect(request=request, exchange=exchange, location=f"/page/{number}")
        if number % 10 == 7 and request.attempt == 1:
            return Failed(request=request, kind=Kind.CONNECT, reason="not at first")
        if self.ledger is not None:
            self.ledger.note(request)
        response = RawResponse(url=href, status=200, content_type="text/html", body=_body(number))
        return Received(request=request, exchange=exchange, response=response)


def _body(number: int) -> bytes:
    links = (2 * number + 1, 2 * number + 2, number // 2)
    return "".join(f'<a href="{_path(n)}">{n}</a>' for n in links if n < PAGES).encode()


def _path(number: int) -> str:
    return f"/moved/{number}" if number % 5 == 3 else f"/page/{number}"


def continued(case: Case, folder: Path, draw: random.Random) -> str | None:
    """Run the crawl, killed at a random change; where it was, or None if it came to its end."""
    state_place(case.kind, folder)
    changes = 160 if case.form == SAVED else 80 if case.kind == "targets" else 40
    # Each body that is saved is one, and so is each note of a request that leaves once.
    return killed_within(changes, lambda: crawl(case, folder), draw)


def killed_within(changes: int, run: Callable[[], int], draw: random.Random) -> str | None:
    """Run a crawl, killed at one of its first changes; where it was, or None if it was complete."""
    at, how = draw.randrange(2, changes), draw.choice(("before", "middle", "after"))
    least = draw.choice(LEAST)

    def killed() -> int:
        often(least)
        killed_at(at, how)
        return run()

    return how if ended_early(killed) else None


def ended_early(run: Callable[[], int]) -> bool:
    """Run a crawl in a process of its own; return whether that was killed, and not complete."""
    code = in_child(run)
    if code not in (0, KILLED):
        raise AssertionError(f"exit code {code}")
    return code == KILLED


def in_child(run: Callable[[], int]) -> int:
    """Call a function in a process of its own; return the exit code, which it returns."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = run()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def often(least: int) -> None:
    """Commit whatever comes, and read and hand over little at once; compact `least` bytes."""
    sinks._COMMIT, sinks._COMMIT_PACE = 2_000, 0.002
    journal._LEAST, journal._GROWTH = least, 1
    handover.SEGMENT = 2_000
    blocks.BLOCK = 500


def crawl(case: Case, folder: Path, *, sync: str = "none") -> int:
    """Begin or continue the crawl; its exit code."""
    options: dict[str, Any] = dict(MANNERS_OFF, engine=case.engine, loop="asyncio", parse="inline")
    options |= {"retries": 1, "backoff": 0, "window": 40, "concurrency": 4, "per_host": 4}
    options |= {"warc_size": WARC_SIZE}
    options |= {"follow": case.kind == "follow", "depth": 0, "quiet": True, "sync": sync}
    seeds, inputs = [f"{SITE}/page/0"], []
    if case.kind in ("list", "elsewhere"):
        (folder / "list.txt").write_text("\n".join(_entries()))
        inputs = [str(folder / "list.txt")]
    site = Site()
    if case.kind == "targets":
        (folder / "list.jsonl").write_text(targets(SITE + _path(n) for n in range(PAGES)))
        seeds, inputs = [], [str(folder / "list.jsonl")]
        site.ledger = Ledger(folder)
    if case.kind == "stdin":
        (folder / "list.txt").write_text("\n".join(_entries()))
        os.dup2(os.open(folder / "list.txt", os.O_RDONLY), 0)
        inputs = ["-"]
        options["robots"] = "obey"
    if case.form == SAVED:
        options["save"] = str(folder / "bodies")
    config = CommandConfig(**options, state=state_place(case.kind, folder))
    output, *others = map(str, outputs(case.form, folder))
    order = Order(config=config, seeds=seeds, inputs=inputs, output=output, others=others)
    try:
        return run(order, lambda o, say: open_crawl(o, say, Plugins(fetcher=site)))
    except CrawlerError as error:
        os.write(2, f"{error}\n".encode())
        return error.exit_code


def _entries() -> list[str]:
    """Lines of the list: URLs, some of them twice, and what is no URL."""
    urls = [SITE + _path(n) for n in range(PAGES)]
    return [*urls, *urls[::9], *(f"http://no url {n}/" for n in range(5))]


def outputs(form: str, folder: Path) -> list[Path]:
    """Return the outputs of a crawl."""
    if form == SAVED:
        return [folder / "out.jsonl"]
    more = ["out.jsonl"] if form.startswith(("csv", "warc")) else []
    return [folder / name for name in (f"out.{form}", *more)]


def state_place(kind: str, folder: Path) -> str:
    """Return where the state is to lie, "" next to the output; its directory is there."""
    if kind != "elsewhere":
        return ""
    (folder / "elsewhere").mkdir(exist_ok=True)
    return str(folder / "elsewhere" / "state")


def killed_at(number: int, how: str) -> None:
    """End this process at its change to the disk of this number: before, in, or after it."""
    left = count(number, -1)
    part = {"before": 0.0, "middle": 0.5, "after": 1.0}[how]

    def put(fd: int, data: memoryview) -> None:
        os.write(fd, data[: int(len(data) * part)])
        os._exit(KILLED)

    def wrapped(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any, **named: Any) -> Any:
            if next(left) == 1:
                if how == "after":
                    change(*arguments, **named)
                os._exit(KILLED)
            return change(*arguments, **named)

        return changed

    def write(fd: int, data: bytes) -> None:
        put(fd, memoryview(data)) if next(left) == 1 else whole(fd, data)

    def record(self: descriptor.Descriptor, data: memoryview) -> int:
        return put(self._fd, data) or 0 if next(left) == 1 else records(self, data)

    whole, records = disk.write, descriptor.Descriptor.write
    disk.write = write
    descriptor.Descriptor.write = record  # type: ignore[method-assign]
    for name in ("rename", "replace", "truncate", "ftruncate", "unlink", "mkdir", "rmdir", "link"):
        setattr(os, name, wrapped(getattr(os, name)))
    disk.settle = wrapped(disk.settle)


def wrong(case: Case, folder: Path, *, complete: bool) -> str:
    """Return what is wrong with what a run has left; "" if nothing is."""
    files = outputs(case.form, folder)
    state = StateFolder(str(files[0]), state_place(case.kind, folder))
    if complete:
        if state.path.exists() or not state.receipt.exists():
            return "no receipt, or a state next to it"
        saved = _missaved(folder) if case.form == SAVED else ""
        if case.kind == "targets":
            saved = saved or Ledger(folder).wrong(records_in(files[-1]))
        return next(filter(None, (_miscounted(case, file) for file in files)), saved)
    if state.begun:
        *_, last = state.frames()
        marks = last.marks
        for file, length in zip(files, marks.lengths, strict=True):
            size = size_of_all(str(file)) if file.exists() else 0
            if size < length:
                return f"{file.name}: {size} bytes, and {length} were committed"
    return ""


def _miscounted(case: Case, output: Path) -> str:
    if ".warc" in output.name:
        return _misarchived(output)
    found = Counter(urls_in(output.name, output.read_bytes()))
    wanted = {SITE + _path(n) for n in range(PAGES)}
    if case.kind not in ("follow", "targets"):
        wanted |= {f"http://no url {n}/" for n in range(5)}
    if twice := [url for url, number in found.items() if number > 1]:
        return f"recorded twice: {twice[:3]}"
    lost, added = wanted - found.keys(), found.keys() - wanted
    return f"lost {sorted(lost)[:3]}, added {sorted(added)[:3]}" if lost or added else ""


def _number(place: str) -> int:
    """Return the number of a page by its URL, or by the name of the file with its body."""
    return int(place.rpartition("/")[2].partition(".")[0])


def _missaved(folder: Path) -> str:
    """Return what is wrong with the bodies, of which each page has one.

    A request that is not repeated may have got one whose record was not committed: it is uncertain.
    """
    records = records_in(folder / "out.jsonl")
    named = {record["saved"]: record["url"] for record in records if "saved" in record}
    uncertain = {_number(each["url"]) for each in records if each["kind"] == Kind.UNCERTAIN}
    bodies = folder / "bodies"
    there = {str(path.relative_to(bodies)) for path in bodies.rglob("*") if path.is_file()}
    known = {name for name in there if _number(name) not in uncertain}
    if not known <= named.keys() <= there:
        return f"{len(there)} bodies for {len(named)} records that name one"
    for name, url in named.items():
        if (bodies / name).read_bytes() != _body(_number(url)):
            return f"the body of {url} is another"
    return "" if named else "no body is saved"


def _misarchived(archive: Path) -> str:
    """Return what is wrong with the answers in an archive, by the records next to it."""
    lines = archive.with_name("out.jsonl").read_bytes().splitlines()
    records = [record for record in map(json.loads, lines) if record["status"] is not None]
    wanted = Counter(record["final_url"] for record in records)
    moved = {hop["url"] for record in records for hop in record["redirects"]}
    files = [Path(each).read_bytes() for each in volumes_of(str(archive))]
    if len(files) < 2 or not all(gzip.decompress(f).startswith(b"WARC/1.1\r\n") for f in files):
        return f"{len(files)} files, or one that does not begin with a record"
    found = answers_in(b"".join(files))
    pages = Counter({url: number for url, number in found.items() if url not in moved})
    if pages != wanted:
        return f"answers in the archive, and not in records: {(pages - wanted) or (wanted - pages)}"
    lost = moved - found.keys()  # a redirect may be there twice, as one that is fetched again
    return f"redirects that are not in the archive: {sorted(lost)[:3]}" if lost else ""


def answers_in(data: bytes) -> Counter[str]:
    """Return the URLs of the answers in an archive, which is read to its end."""
    found: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for record in ArchiveIterator(io.BytesIO(data)):
        url = record.rec_headers.get_header("WARC-Target-URI")
        if record.rec_type in ("response", "revisit"):
            found[url] += 1
        asked[url] += record.rec_type == "request"
    assert +asked == found
    return found


def urls_in(name: str, data: bytes) -> list[str]:
    """Return the URLs of the records in a file, or in a part of one."""
    text = unpacked(data)
    if ".csv" in name:
        return [row["url"] for row in csv.DictReader(text.decode().splitlines())]
    return [json.loads(line)["url"] for line in text.splitlines()]


def records_in(output: Path) -> list[dict[str, Any]]:
    """Return the records in JSON lines."""
    return list(map(json.loads, unpacked(output.read_bytes()).splitlines()))


def unpacked(data: bytes) -> bytes:
    """Return the lines of an output, packed or not."""
    if data.startswith(b"\x1f\x8b"):
        return gzip.decompress(data)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        return zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
    return data
