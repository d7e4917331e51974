"""Object stores for tests: a server on loopback that speaks as S3 does."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of a server on loopback that speaks as S3 does; its name."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    urlopen(Request(f"{url}/moto-api/reset", method="POST")).close()  # of an earlier test's
    reach(url, monkeypatch)
    import s3fs

    s3fs.S3FileSystem().mkdir("lists")
    yield "lists"
    server.stop()


def reach(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let S3 be the server at this URL."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
