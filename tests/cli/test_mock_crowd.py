"""The real command under crowds: every fault crawled by the real crawl, ten thousand clients."""

from __future__ import annotations

import json
import resource
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from crawler.mock.faults import FAULTS
from crawler.mock.server.listen import raise_descriptor_limit
from tests.legal import check
from tests.patience import PATIENCE
from tests.unmannered import WORDS

from .test_command import crawler, started

CLIENTS = 10_000
# They lead out of this machine: crawled without following.
ELSEWHERE = ("redirect-private", "redirect-metadata")
HASTE = (*WORDS, "--timeout", "3", "--retries", "0", "--max-body", "1000000", "--per-host", "24")


def crawl(urls: list[str], directory: Path, *words: str) -> list[dict[str, object]]:
    """The records that `crawler crawl` writes for these URLs; fails unless it ends well."""
    listed, output = directory / "list.txt", directory / "out.jsonl"
    listed.write_text("".join(f"{url}\n" for url in urls))
    code, out, err = crawler(
        "crawl", "-i", str(listed), "-o", str(output), "--overwrite", *HASTE, *words
    )
    assert (code, out) == (0, ""), err
    assert "Traceback" not in err
    assert f"{len(urls)} read = {len(urls)} records + 0 repeats" in err
    return [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_a_crawl_of_every_fault_is_one_record_each(tmp_path: Path, engine: str) -> None:
    """Every fault beside every other ends as one legal record, and both programs end well."""
    with started("mock", "--port", "0") as server:
        assert server.stdout is not None
        web = server.stdout.readline().strip()
        here = [f"{web}/fault/{name}" for name in FAULTS if name not in ELSEWHERE]
        there = [f"{web}/fault/{name}" for name in ELSEWHERE]
        records = crawl(here, tmp_path, "--engine", engine)
        records += crawl(there, tmp_path, "--engine", engine, "--max-redirects", "0")
        server.terminate()
        assert server.communicate(timeout=PATIENCE) == ("", "")
    assert server.returncode == 143
    assert Counter(str(record["url"]) for record in records) == Counter(here + there)
    for record in records:
        check(record)
        assert record.get("kind") != "internal"


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Enough for all clients, who are all in this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    raise_descriptor_limit()
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < CLIENTS + 500:
        pytest.skip("this machine allows too few descriptors")
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.slow
@pytest.mark.usefixtures("descriptors")
def test_ten_thousand_clients_at_once_and_then_a_signal() -> None:
    """All are connected, each is answered, and Ctrl-C ends the server with all of them open."""
    with started("mock", "--port", "0") as server, ExitStack() as stack:
        assert server.stdout is not None
        parts = urlsplit(server.stdout.readline().strip())
        place = (parts.hostname, parts.port)
        clients = [
            stack.enter_context(socket.create_connection(place, PATIENCE)) for _ in range(CLIENTS)
        ]
        for client in clients:
            client.sendall(b"GET /status/404 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert all(client.recv(65536).startswith(b"HTTP/1.1 404 ") for client in clients)
        server.send_signal(signal.SIGINT)
        assert server.communicate(timeout=PATIENCE) == ("", "")
        assert server.returncode == 130
