"""A directory in an object store: what is there after uploads that fail, and what is refused."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from crawler.cli.crawl_run import Order, run
from crawler.mock import MockWeb, running
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.store.gathering import CommittedPart
from crawler.store.journal.resumption import Complete
from crawler.store.object_directory import ObjectDirectory
from crawler.store.object_store import ObjectFolder
from crawler.store.parquet_output import ParquetPacker
from crawler.store.rendering import targets_of
from tests.bucket import reach
from tests.unmannered import MANNERS_OFF

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
Upload = Callable[[ObjectFolder, str, Path], None]


def directory(name: str, existing: Any = "refuse", begun: Any = None, **more: Any) -> Any:
    return ObjectDirectory(f"s3://{name}/", existing, begun, suffix=".jsonl", **more)


def parts_in(folder: Path, *lines: bytes) -> list[CommittedPart]:
    """Parts of partitions, each with a line that was not committed."""
    found = []
    for number, each in enumerate(lines):
        (folder / f"p{number}").mkdir(exist_ok=True)
        path = folder / f"p{number}/part.jsonl"
        path.write_bytes(each + b"left\n")
        found.append(CommittedPart(number, path, len(each)))
    return found


def objects(name: str) -> dict[str, bytes]:
    """The objects below a name, by theirs."""
    import s3fs

    store = s3fs.S3FileSystem(use_listings_cache=False)
    found = store.find(name)
    return {path.rsplit("/", 1)[1]: store.cat_file(path) for path in found}


def failing_after(uploads: int, then: Exception) -> tuple[Upload, list[str]]:
    """An upload that fails after so many; the names that were tried."""
    tried: list[str] = []
    real = ObjectFolder.upload

    def upload(folder: ObjectFolder, name: str, path: Path) -> None:
        tried.append(name)
        if len(tried) > uploads:
            raise then
        real(folder, name, path)

    return upload, tried


def test_an_upload_goes_on_where_it_was_ended(
    tmp_path: Path,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is there is left, also without a look at it first; then comes the receipt."""
    place = directory(f"{bucket}/out")
    parts = parts_in(tmp_path, b"one\n", b"", b"two\n")
    with monkeypatch.context() as patched:
        upload, tried = failing_after(1, KeyboardInterrupt())
        patched.setattr(ObjectFolder, "upload", upload)
        with pytest.raises(KeyboardInterrupt):
            place.gather(parts)
    assert list(objects(f"{bucket}/out").values()) == [b"one\n"]
    again = directory(f"{bucket}/out", begun=place.begun)
    told = again.gather(parts)
    assert told["parts"] == [tried[0], tried[1]] and told["bytes"] == 8
    monkeypatch.setattr(ObjectFolder, "size", lambda *_: None)  # the answer was lost
    assert again.gather(parts) == told
    for _ in range(2):
        again.publish(b"{}\n")
    receipt = f"receipt-{place.begun['run']}.json"
    assert objects(f"{bucket}/out") == {tried[0]: b"one\n", tried[1]: b"two\n", receipt: b"{}\n"}


def test_an_object_that_holds_something_else_is_left(tmp_path: Path, bucket: str) -> None:
    """One of the same name and size is neither replaced nor taken for ours."""
    place = directory(f"{bucket}/out")
    place.gather(parts_in(tmp_path, b"one\n"))
    for line in (b"two\n", b"longer\n"):
        with pytest.raises(EnvironmentFailure, match="holds something else already"):
            place.gather(parts_in(tmp_path, line))
    assert list(objects(f"{bucket}/out").values()) == [b"one\n"]


def test_parts_of_another_run_are_refused_kept_or_replaced_at_the_end(
    tmp_path: Path,
    bucket: str,
) -> None:
    """Those of other names stay in any case, and so do those that came meanwhile."""
    first = directory(f"{bucket}/out")
    first.gather(parts_in(tmp_path, b"one\n"))
    first.publish(b"{}\n")
    ObjectFolder(f"s3://{bucket}/out/").create("part-00000.jsonl", b"foreign\n")
    with pytest.raises(ConfigurationError, match="holds 2 parts and receipts already"):
        directory(f"{bucket}/out")
    replacing = directory(f"{bucket}/out", "replace")
    adding = directory(f"{bucket}/out", "add")
    adding.gather(parts_in(tmp_path, b"two\n"))
    replacing.gather(parts_in(tmp_path, b"three\n"))
    assert len(objects(f"{bucket}/out")) == 5
    replacing.publish(b"[]\n")
    assert sorted(objects(f"{bucket}/out").values()) == [
        *(b"[]\n", b"foreign\n", b"three\n", b"two\n")
    ]


def test_a_part_is_packed_once(tmp_path: Path, bucket: str) -> None:
    """The packed file stays in the state, as another version might pack it otherwise."""
    packed: list[Path] = []

    class Packer(ParquetPacker):
        def pack(self, place: Path, parts: Sequence[CommittedPart], kept: int) -> None:
            packed.append(place)
            place.write_bytes(b"PAR1")

    place = directory(f"{bucket}/out", packer=Packer())
    parts = parts_in(tmp_path, b"{}\n")
    assert place.gather(parts) == place.gather(parts)
    assert len(packed) == 1 and list(objects(f"{bucket}/out").values()) == [b"PAR1"]


def test_a_store_that_cannot_be_written_is_told_at_the_start(
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No bucket, no permission, nobody there: one line each, and no probe stays."""
    directory(f"{bucket}/out")
    assert objects(bucket) == {}
    with pytest.raises(EnvironmentFailure, match=r"^s3://nowhere/out/.*: no such bucket"):
        directory("nowhere/out")
    with ThreadingHTTPServer(("127.0.0.1", 0), Denying) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        reach(f"http://127.0.0.1:{server.server_port}", monkeypatch)
        with pytest.raises(EnvironmentFailure, match=r"^s3://lists/out/: cannot be listed: \S"):
            directory("lists/out")
        server.shutdown()
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        reach(f"http://127.0.0.1:{bound.getsockname()[1]}", monkeypatch)
        with pytest.raises(EnvironmentFailure, match="Could not connect"):
            directory("lists/out")


class Denying(BaseHTTPRequestHandler):
    """Refuses everything as S3 does without permission."""

    def do_GET(self) -> None:
        self.send_response(403)
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("name", "state", "problem"),
    [
        ("s3://lists/out/", "", "needs --state DIR"),
        ("s3://lists/out/", "none", "needs --state DIR"),
        ("s3://lists/out.jsonl", "st", "expected a directory in a bucket"),
        ("s3:///out/", "st", "expected a directory in a bucket"),
        ("gs://lists/out/", "st", "needs gcsfs, which is not installed; pip install gcsfs"),
    ],
)
def test_a_name_that_cannot_be_an_output_is_refused(name: str, state: str, problem: str) -> None:
    """Before anything is made, and without asking the store."""
    with pytest.raises(ConfigurationError, match=problem):
        targets_of([name], CommandConfig(state=state))


def test_a_crawl_goes_on_with_its_upload_and_is_complete_then(
    tmp_path: Path,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same command uploads what is left, crawls nothing again, and has nothing to do then."""
    state = tmp_path / "st"
    how = {**MANNERS_OFF, "parse": "inline", "quiet": True, "state": str(state), "workers": "2"}
    how["allow_private"] = True
    with running(MockWeb(hosts=2, pages=8)) as web:
        port = urlsplit(web.url).port
        urls = [f"http://127.0.0.{n % 2 + 1}:{port}/page/{n}" for n in range(8)]
        (tmp_path / "list.txt").write_text("\n".join(urls))
        order = Order(
            config=CommandConfig(**how),
            seeds=[],
            inputs=[str(tmp_path / "list.txt")],
            output=f"s3://{bucket}/out/",
        )
        upload, _ = failing_after(1, EnvironmentFailure("the store went away"))
        with monkeypatch.context() as patched:
            patched.setattr(ObjectFolder, "upload", upload)
            assert run(order) == 3
        asked = web.statistics().requests
        for _ in range(2):
            with pytest.raises(Complete):
                run(order)
        assert web.statistics().requests == asked
    there = objects(f"{bucket}/out")
    *parts, receipt = map(there.get, sorted(there))
    assert sorted(orjson.loads(line)["url"] for part in parts for line in part.splitlines()) == (
        sorted(urls)
    )
    assert receipt == Path(f"{state}.receipt.json").read_bytes() and not state.exists()
