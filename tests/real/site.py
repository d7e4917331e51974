"""A real server with real pages: nginx in the foreground, serving Python's documentation.

`nginx()` writes a configuration into a directory of its own, starts nginx as a child in the
foreground (one worker, no access log, loopback, a free port) and stops it on the way out, so
nothing survives the run. nginx announces on standard error that its workers start; that line is
the readiness event, and by then its socket listens.

What it serves:

    /library/os.html ...      the documentation as Debian ships it (`pages()` lists it)
    /small.html               one page of exactly 1,400 bytes with ten links
    /kilobyte.html            its first 1,024 bytes
    /big/0.html ...           pages of 500 KB, made by joining the bodies of documentation pages
    /doors.html               a page whose links lead to all that following has to cope with
    /robots.txt               allows all; `Site.robots` replaces or removes it

It listens on `ADDRESSES` addresses, 127.0.0.1 and up, so that there are as many hosts.

A query string never changes what is served, so `?i=1`, `?i=2` give as many URLs as one likes.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

from tests.real.debian import DOCS, Unavailable, ensure_installed, nginx_program
from tests.real.doors import DOORS

SMALL_BYTES = 1_400
BIG_BYTES = 500_000
BIG_PAGES = 12

_MADE = ("/robots.txt", "/small.html", "/kilobyte.html", "/doors.html")
_PORT_ATTEMPTS = 5  # another process may take the free port before nginx binds it
_STOP_SECONDS = 5.0
ADDRESSES = 100
_READY = "start worker process "
_CONFIGURATION = """\
daemon off;
{user}
worker_processes 1;
worker_rlimit_nofile 16384;
pid {prefix}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 8192; }}
http {{
  types {{ text/html html; text/css css; text/javascript js; image/png png; image/svg+xml svg; }}
  default_type application/octet-stream;
  charset utf-8;
  access_log off;
  log_not_found off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  open_file_cache max=2000;
  client_body_temp_path {prefix}/body;
  proxy_temp_path {prefix}/proxy;
  fastcgi_temp_path {prefix}/fastcgi;
  uwsgi_temp_path {prefix}/uwsgi;
  scgi_temp_path {prefix}/scgi;
  server {{
{listens}
    root {docs};
    location = /robots.txt {{ root {made}; open_file_cache off; }}
    location = /small.html {{ root {made}; }}
    location = /kilobyte.html {{ root {made}; }}
    location = /doors.html {{ root {made}; }}
    location /big/ {{ root {made}; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocPage:
    """One documentation page: its URL path (percent-encoded, from the slash) and size in bytes."""

    path: str
    size: int

    def file(self) -> Path:
        """The file that nginx serves for this page."""
        return DOCS / self.path.lstrip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A running server: its origin without a slash at the end, the process, and its made files."""

    origin: str
    pid: int
    made: Path

    def url(self, path: str, query: str = "") -> str:
        """The absolute URL of `path`, with `?query` when one is given."""
        return f"{self.origin}{path}{'?' if query else ''}{query}"

    def elsewhere(self, url: str, number: int) -> str:
        """The same URL at another address, one of `ADDRESSES`."""
        return url.replace("127.0.0.1", f"127.0.0.{1 + number % ADDRESSES}", 1)

    def robots(self, text: str | None) -> None:
        """Serve `text` as robots.txt from now on; None for none, which answers 404."""
        file = self.made / "robots.txt"
        file.unlink(missing_ok=True)
        if text is not None:
            file.write_text(text)

    def file(self, path: str) -> Path:
        """The file or directory that a decoded URL path stands for, whether or not it exists."""
        made = path in _MADE or path.startswith("/big/")
        return (self.made if made else DOCS) / path.lstrip("/")


def pages() -> list[DocPage]:
    """All HTML pages of the documentation, by path (about 526)."""
    files = sorted(DOCS.rglob("*.html"))
    return [
        DocPage(path="/" + quote(str(file.relative_to(DOCS))), size=file.stat().st_size)
        for file in files
    ]


def big_paths() -> list[str]:
    """The URL paths of the 500 KB pages."""
    return [f"/big/{number}.html" for number in range(BIG_PAGES)]


@contextmanager
def nginx() -> Iterator[Site]:
    """Serve the pages until the block ends; raise `Unavailable` when the machine cannot."""
    ensure_installed()
    with tempfile.TemporaryDirectory(prefix="crawler-nginx-") as name:
        prefix = Path(name)
        prefix.chmod(0o755)  # the worker may be another user than the one who made it
        _make_pages(prefix / "made")
        process, port = _start(prefix)
        try:
            yield Site(origin=f"http://127.0.0.1:{port}", pid=process.pid, made=prefix / "made")
        finally:
            _stop(process)


def _start(prefix: Path) -> tuple[subprocess.Popen[str], int]:
    """Start nginx on a free port; another port is tried when somebody was faster."""
    last = ""
    for _ in range(_PORT_ATTEMPTS):
        port = _free_port()
        process = _launch(prefix, port)
        seen: deque[str] = deque(maxlen=20)
        if _wait_ready(process, seen):
            _check_answers(process, port)
            return process, port
        process.wait()
        last = " ".join(seen).strip()
    raise Unavailable(f"nginx did not start: {last[-300:]}")


def _launch(prefix: Path, port: int) -> subprocess.Popen[str]:
    """Write the configuration and start nginx in the foreground."""
    program = nginx_program()
    if program is None:
        raise Unavailable("nginx is gone from this machine")
    user = "user www-data;" if os.geteuid() == 0 else ""
    text = _CONFIGURATION.format(
        prefix=prefix, listens=_listens(port), docs=DOCS, made=prefix / "made", user=user
    )
    configuration = prefix / "nginx.conf"
    configuration.write_text(text)
    return subprocess.Popen(
        [program, "-p", str(prefix), "-c", str(configuration), "-e", "stderr"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )


def _listens(port: int) -> str:
    return "\n".join(
        f"    listen 127.0.0.{number}:{port} backlog=4096;" for number in range(1, ADDRESSES + 1)
    )


def _wait_ready(process: subprocess.Popen[str], seen: deque[str]) -> bool:
    """Read nginx's messages until its worker starts (True) or it ends (False)."""
    assert process.stderr is not None
    for line in process.stderr:
        seen.append(line.strip())
        if _READY in line:
            # A full pipe would stop nginx, so somebody keeps reading until it ends.
            threading.Thread(target=_drain, args=(process.stderr,), daemon=True).start()
            return True
    return False


def _drain(stream: IO[str]) -> None:
    with stream:
        for _ in stream:
            continue


def _check_answers(process: subprocess.Popen[str], port: int) -> None:
    """Connect once: what announced itself as ready must also accept."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=_STOP_SECONDS).close()
    except OSError as error:
        _stop(process)
        raise Unavailable(f"nginx started but port {port} does not accept: {error}") from error


def _stop(process: subprocess.Popen[str]) -> None:
    """End nginx and its worker, at once but in order; kill it if it does not obey."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _make_pages(root: Path) -> None:
    """Write the generated part of the site below `root`."""
    (root / "big").mkdir(parents=True)
    (root / "robots.txt").write_text("User-agent: *\nAllow: /\n")
    (root / "doors.html").write_text(DOORS)
    (root / "small.html").write_bytes(small_page())
    (root / "kilobyte.html").write_bytes(small_page()[:1024])
    bodies = _bodies()
    for path in big_paths():
        (root / path.lstrip("/")).write_bytes(_big_page(path, bodies))


def small_page() -> bytes:
    """One valid page of exactly `SMALL_BYTES` bytes with ten links."""
    links = "".join(f'<li><a href="/library/page{n}.html">Page {n}</a></li>\n' for n in range(10))
    head = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>A small page</title></head>\n<body>\n<ul>\n{links}</ul>\n<p>"
    )
    tail = "</p>\n</body></html>\n"
    room = SMALL_BYTES - len(head) - len(tail)
    filler = ("The quick brown fox jumps over the lazy dog. " * 40)[:room]
    return f"{head}{filler}{tail}".encode()


def _big_page(path: str, bodies: Iterator[str]) -> bytes:
    """Join documentation bodies until the page has `BIG_BYTES` bytes."""
    head = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<title>Big page {path}</title><base href="/library/"></head>\n<body>\n'
    )
    parts = [head]
    size = 0
    while size < BIG_BYTES:
        part = f"<section>{next(bodies)}</section>\n"
        parts.append(part)
        size += len(part.encode())
    parts.append("</body></html>\n")
    return "".join(parts).encode()


def _bodies() -> Iterator[str]:
    """The inside of `<body>` of documentation pages of 20 to 120 KB, round and round."""
    chosen = [page for page in pages() if 20_000 < page.size < 120_000]
    if not chosen:
        raise Unavailable(f"no pages of 20 to 120 KB below {DOCS}")
    while True:
        for page in chosen:
            text = page.file().read_text(encoding="utf-8")
            found = re.search(r"<body[^>]*>(.*)</body>", text, re.DOTALL)
            if found is not None:
                yield found[1]
