"""Archives replayed by pywb, where PYWB names its program of that name; wb-manager is next to it.

Its requirements exclude ours, so it has an environment of its own: pip install pywb.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from tests.patience import PATIENCE, until
from tests.store.test_warc_output import SAME, archived

PYWB = os.environ.get("PYWB", "")
NAMES = ("one", "same", "again", "coded", "moved")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYWB, reason="PYWB does not name a pywb"),
]


@contextmanager
def replaying(folder: Path) -> Iterator[int]:
    """Serve the collections of a directory; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [PYWB, "--bind", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log)
    try:
        assert until(lambda: process.poll() is not None or _listens(port))
        assert process.poll() is None, (folder / "log").read_text()
        yield port
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def asked(port: int, url: str) -> tuple[HTTPResponse, bytes]:
    """Return what is replayed of a URL, unchanged (`id_`)."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", f"/crawl/19700101000000id_/{url}")
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("form", ["warc", "warc.gz"])
def test_pywb_replays_what_was_crawled(tmp_path: Path, form: str) -> None:
    """Bodies as they were, also of a revisit and of what was coded, and redirects."""
    urls = [f"http://a.test/{name}" for name in NAMES]
    archived(tmp_path / f"x.{form}", urls=urls)
    manager = str(Path(PYWB).with_name("wb-manager"))
    for words in (["init", "crawl"], ["add", "crawl", f"x.{form}"]):
        subprocess.run([manager, *words], cwd=tmp_path, check=True, capture_output=True)
    with replaying(tmp_path) as port:
        for name, body in {"one": b"<title>one</title>" * 9, "same": SAME, "again": SAME}.items():
            answer, replayed = asked(port, f"http://a.test/{name}")
            assert (answer.status, replayed) == (200, body)
        assert asked(port, "http://a.test/coded")[1] == b"<title>coded</title>" * 9
        moved, _ = asked(port, "http://a.test/moved")
        assert moved.status == 301 and (moved.getheader("Location") or "").endswith("/one")
        assert asked(port, "http://a.test/absent")[0].status == 404
