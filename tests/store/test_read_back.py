"""Every format at its place: killed in the middle, continued, and read by somebody else's library.

Three crawls write a thousand pages of the mock web and 530 of Python's documentation, as nginx
serves it, to all outputs. Each is killed with SIGKILL while the mock web answers its request number
`KILLED_AT`, after something was committed, and goes on by the same command. What it leaves is then
read with pandas, Polars, DuckDB, pyarrow, warcio and FastWARC, and compared with what was served.
"""

from __future__ import annotations

import gzip
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import lxml.html
import pandas as pd
import polars as pl
import pytest
from fastwarc.warc import ArchiveIterator as FastIterator
from fastwarc.warc import WarcRecordType
from pyarrow import parquet
from warcio.archiveiterator import ArchiveIterator

from crawler.mock import MockWeb, Served, running
from crawler.mock.server import running as mock_server
from crawler.mock.server.delivery import AnswerCache
from crawler.store.journal.state_folder import StateFolder
from crawler.store.volumes import volumes_of
from tests.patience import PATIENCE, until
from tests.real import debian, independent
from tests.real.site import nginx, pages
from tests.unmannered import WORDS

pytestmark = pytest.mark.slow

MOCK_PAGES = 1_000
REAL_PAGES = 530
LARGE = 150_000  # bytes of a page; the few that are larger would take most of the time
KILLED_AT = MOCK_PAGES // 2
CRAWL = (
    *(*WORDS, "--quiet", "--parse", "inline", "--text", "--csv-links", "join"),
    *("--concurrency", "32", "--timeout", str(PATIENCE)),
)
SAMPLED = 7  # one page in so many has its text looked at, and all have it compared
_OTHERS = re.compile(r"[^\w\n]+")  # than words and line ends


class Row(NamedTuple):
    """What is compared of a record."""

    title: str
    links: tuple[str, ...]
    text: str


@dataclass
class Webs:
    """What is served, and who is killed while it is.

    state: where the state of the crawl lies that is to be killed.
    """

    urls: list[str]
    bodies: Mapping[str, bytes]
    mock: Served
    process: subprocess.Popen[bytes] | None = None
    state: Path = Path()
    answered: int = 0

    def answering(self) -> None:
        """Kill the crawl if it has come to the middle, and has committed something."""
        self.answered += 1
        if self.state != Path() and self.answered >= KILLED_AT:
            assert until(lambda: self.process is not None and committed(self.state))
            assert self.process is not None
            self.process.kill()
            self.state = Path()


@dataclass
class Read:
    """What the records of an output are to be, worked out once."""

    webs: Webs
    rows: dict[str, Row] = field(default_factory=dict)

    def check(self, found: Iterable[tuple[str, Any, Any, Any]]) -> None:
        """See that there is one row for each URL, with what was served."""
        rows = list(found)
        table = {url: Row(title, tuple(links), text) for url, title, links, text in rows}
        assert len(rows) == len(table) and set(table) == set(self.webs.urls)
        if not self.rows:
            self.rows = {url: self._right(url, row.text) for url, row in table.items()}
            for url in self.webs.urls[::SAMPLED]:
                self._check_text(url, table[url].text)
        assert table == self.rows

    def _right(self, url: str, text: str) -> Row:
        """Title and links, by other libraries."""
        title = " ".join(self._tree(url).findtext(".//title").split())
        return Row(title, tuple(independent.links(self.webs.bodies[url], url)), text)

    def _check_text(self, url: str, text: str) -> None:
        """See that each line is on the page, but for the numbers of a list."""
        whole = _OTHERS.sub("", self._tree(url).text_content()).replace("\n", "")
        lines = _OTHERS.sub("", text).splitlines()
        assert text and not [line for line in lines if line not in whole and not line.isdecimal()]

    def _tree(self, url: str) -> Any:
        return lxml.html.document_fromstring(self.webs.bodies[url].decode())


def committed(state: Path) -> bool:
    """Tell whether a crawl, or one of its partitions, has committed a record."""
    for journal in state.rglob("journal"):
        alone = journal.parent == state
        place = str(state).removesuffix(".state") if alone else str(journal.parent / "part")
        for frame in StateFolder(place, str(journal.parent)).frames():
            if any(frame.marks.lengths):
                return True
    return False


@pytest.fixture(scope="module")
def webs() -> Iterator[Webs]:
    """Both servers; a tenth of the mock's pages is packed for the way."""
    if missing := debian.missing():
        pytest.skip(f"not installed: {', '.join(missing)}")
    real_answer = mock_server.answer
    found: list[Webs] = []

    def answer(*arguments: Any) -> Any:
        for each in found:
            each.answering()
        return real_answer(*arguments)

    with pytest.MonkeyPatch.context() as patched, nginx() as site:
        patched.setattr(mock_server, "answer", answer)
        patched.setattr(AnswerCache, "keep", lambda *_: None)  # it makes each of them
        with running(MockWeb(pages=MOCK_PAGES, hosts=2)) as mock:
            paths = [f"{'/gzip' * (n % 10 == 0)}/page/{n}" for n in range(MOCK_PAGES)]
            bodies = dict(asked(mock, paths))
            docs = [page for page in pages() if page.size < LARGE]
            for number in range(REAL_PAGES):
                page, query = docs[number % len(docs)], "again" * (number >= len(docs))
                url = site.elsewhere(site.url(page.path, query), number % 4)
                bodies[url] = page.file().read_bytes()
            urls = [url for number in range(7) for url in list(bodies)[number::7]]
            found.append(Webs(urls=urls, bodies=bodies, mock=mock))
            yield found[0]


def asked(mock: Served, paths: list[str]) -> Iterator[tuple[str, bytes]]:
    """Pages of the mock, by turns at its hosts, as another client gets them."""
    clients = [HTTPConnection(f"127.0.0.{host + 1}", mock.port) for host in range(2)]
    for number, path in enumerate(paths):
        client = clients[number % 2]
        client.request("GET", path)
        answer = client.getresponse()
        body = answer.read()
        packed = answer.getheader("Content-Encoding") == "gzip"
        yield (
            f"http://{client.host}:{client.port}{path}",
            gzip.decompress(body) if packed else body,
        )
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def read(webs: Webs) -> Read:
    """What all outputs are compared with."""
    return Read(webs)


def killed_and_continued(webs: Webs, folder: Path, state: str, words: Iterable[str]) -> None:
    """Crawl, killed in the middle, and go on by the same command."""
    (folder / "list.txt").write_text("".join(f"{url}\n" for url in webs.urls))
    command = [sys.executable, "-m", "crawler", "crawl", "-i", "list.txt", *CRAWL, *words]
    webs.answered, webs.process, webs.state = 0, None, folder / state
    for wanted in (-signal.SIGKILL, 0):
        with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE) as process:
            webs.process = process
            said = process.communicate()[1]
        assert process.returncode == wanted, said
        assert (folder / state).exists() is bool(wanted)


def test_what_is_written_as_the_crawl_goes(tmp_path: Path, webs: Webs, read: Read) -> None:
    """JSON lines, CSV and WARC, plain and packed, and bodies as files; archives in several."""
    names = ("jsonl", "jsonl.gz", "jsonl.zst", "csv", "csv.gz", "warc.gz", "warc.zst")
    words = [word for name in names for word in ("-o", f"out.{name}")]
    words += ["--save", "bodies", "--warc-size", "100kB"]
    killed_and_continued(webs, tmp_path, "out.jsonl.state", words)
    out = {name: tmp_path / f"out.{name}" for name in names}
    read.check(in_polars(pl.read_ndjson(out["jsonl"], infer_schema_length=None)))
    read.check(in_pandas(pd.read_json(out["jsonl.gz"], lines=True)))
    read.check(in_duckdb(f"read_json('{out['jsonl.zst']}')"))
    read.check(in_pandas(pd.read_csv(out["csv"]), split=True))
    read.check(in_duckdb(f"read_csv('{out['csv.gz']}')", split=True))
    saved = duckdb.sql(f"select url, saved from read_json('{out['jsonl']}')").fetchall()
    assert {url: (tmp_path / "bodies" / name).read_bytes() for url, name in saved} == webs.bodies
    assert sum(path.is_file() for path in (tmp_path / "bodies").rglob("*")) == len(saved)
    for archive, responses in ((out["warc.gz"], by_warcio), (out["warc.zst"], by_fastwarc)):
        files = [Path(each) for each in volumes_of(str(archive))]
        assert len(files) > 1
        assert_archived(chain.from_iterable(map(responses, files)), webs.bodies)


def test_what_is_made_at_the_end(tmp_path: Path, webs: Webs, read: Read) -> None:
    """Parquet, SQLite and DuckDB, next to flat JSON lines, by the threaded engine."""
    names = ("flat.jsonl", "out.parquet", "sqlite:out.sqlite", "duckdb:out.duckdb")
    words = [word for name in names for word in ("-o", name)]
    words += ["--flat", "--engine", "threaded"]
    killed_and_continued(webs, tmp_path, "flat.jsonl.state", words)
    flat = pl.read_ndjson(tmp_path / "flat.jsonl", infer_schema_length=None)
    assert flat["timings.total"].min() > 0
    read.check(in_polars(flat))
    table = pl.read_parquet(tmp_path / "out.parquet")
    assert table["timings"].struct["total"].to_list() != [None] * table.height
    read.check(in_polars(table))
    query = "select url, title, text from pages order by url"
    linked = "select url, link from links order by url, position"
    with closing(sqlite3.connect(tmp_path / "out.sqlite")) as base:
        rows, links = pd.read_sql(query, base), pd.read_sql(linked, base)
        assert pd.read_sql("select min(timings_total) t from pages", base)["t"][0] > 0
    read.check(joined(rows.itertuples(index=False), links.itertuples(index=False)))
    with duckdb.connect(str(tmp_path / "out.duckdb"), read_only=True) as base:
        read.check(joined(base.sql(query).fetchall(), base.sql(linked).fetchall()))
        assert base.sql("select min(timings.total) from pages").fetchall()[0][0] > 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_several_workers_leave_in_directories(
    tmp_path: Path, webs: Webs, read: Read, bucket: str
) -> None:
    """Parts in a directory and in an object store, of two workers, with one schema."""
    store = f"s3://{bucket}/out/"
    words = ["-o", "out/", "-o", store, "--format", "parquet", "--state", "st", "--workers", "2"]
    killed_and_continued(webs, tmp_path, "st", words)
    parts = sorted((tmp_path / "out").iterdir())
    first, second = map(parquet.read_schema, parts)
    assert first.equals(second, check_metadata=True)
    read.check(in_polars(pl.read_parquet(tmp_path / "out")))
    import s3fs

    objects = s3fs.S3FileSystem().glob(f"{bucket}/out/*.parquet")
    assert len(objects) == len(parts)
    read.check(in_pandas(pd.concat(pd.read_parquet(f"s3://{name}") for name in objects)))


def in_polars(table: pl.DataFrame) -> Iterator[tuple[Any, ...]]:
    return table.select("url", "title", "links", "text").iter_rows()


def in_pandas(frame: pd.DataFrame, *, split: bool = False) -> Iterator[tuple[Any, ...]]:
    chosen = frame[["url", "title", "links", "text"]]
    return joined_by_spaces(chosen.itertuples(index=False), split=split)


def in_duckdb(source: str, *, split: bool = False) -> Iterator[tuple[Any, ...]]:
    rows = duckdb.sql(f"select url, title, links, text from {source}").fetchall()
    return joined_by_spaces(rows, split=split)


def joined_by_spaces(rows: Iterable[Any], *, split: bool) -> Iterator[tuple[Any, ...]]:
    """Rows whose links are joined by spaces, as CSV has them, or lists already."""
    for url, title, links, text in rows:
        several = (links.split() if isinstance(links, str) else []) if split else links
        yield url, title, several, text


def joined(rows: Iterable[Any], links: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    """Rows of the table of pages, with those of the table of links."""
    found: dict[str, list[str]] = {}
    for url, link in links:
        found.setdefault(url, []).append(link)
    return ((url, title, found.get(url, ()), text) for url, title, text in rows)


Answers = Iterator[tuple[str, str, str, bytes]]


def by_warcio(path: Path) -> Answers:
    """Kind, URL, digest and body of each response or revisit; digests are checked."""
    with path.open("rb") as file:
        for record in ArchiveIterator(file, check_digests="raise"):
            if record.rec_type in ("response", "revisit"):
                named = record.rec_headers.get_header
                digest = named("WARC-Payload-Digest")
                body = record.content_stream().read()
                yield record.rec_type, named("WARC-Target-URI"), digest, body


def by_fastwarc(path: Path) -> Answers:
    """The same by FastWARC."""
    wanted = WarcRecordType.response | WarcRecordType.revisit
    with path.open("rb") as file:
        for record in FastIterator(file, record_types=wanted, auto_decode="content"):
            digest = record.headers["WARC-Payload-Digest"]
            kind = "revisit" if record.record_type == WarcRecordType.revisit else "response"
            yield kind, record.headers["WARC-Target-URI"], digest, record.reader.read()


def assert_archived(answers: Answers, bodies: Mapping[str, bytes]) -> None:
    """Each body is there byte for byte, once, or referred to by its digest."""
    found = list(answers)
    assert sorted(url for _, url, _, _ in found) == sorted(bodies)
    held = {digest: body for kind, _, digest, body in found if kind == "response"}
    for _, url, digest, _ in found:
        assert held[digest] == bodies[url], url
