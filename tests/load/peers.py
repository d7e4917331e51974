"""Servers that people run, each with a log of its own.

nginx, Node's http, aiohttp, FastAPI on uvicorn, and gunicorn with threads. Each keeps a connection
for a second of idleness and, if it can be told, for 100 requests: the two ways in which real ones
lose them. `/fail` is answered with 500, as the framework does where a handler raises. The log is a
line with the status for each.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.patience import PATIENCE

_NGINX = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 512; }}
http {{
  log_format status '$status';
  access_log {folder}/access.log status;
  keepalive_requests 100;
  keepalive_timeout 1s;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ return 200 "ok"; }}
    location /fail {{ return 500; }}
  }}
}}
"""

# As frameworks do where a handler raises: the answer is sent, and then the connection is closed
# without a word about it.
_NODE = """\
const http = require('http'), fs = require('fs');
const server = http.createServer((request, response) => {
  response.statusCode = request.url === '/fail' ? 500 : 200;
  if (response.statusCode === 500) response.on('finish', () => request.socket.destroy());
  fs.appendFileSync(process.argv[1], response.statusCode + '\\n');
  response.end('ok');
});
server.keepAliveTimeout = 1000;
server.keepAliveTimeoutBuffer = 0;
server.maxRequestsPerSocket = 100;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""

_AIOHTTP = """\
import asyncio, sys
from aiohttp import web

async def answer(request):
    status = 500 if request.path == "/fail" else 200
    with open(sys.argv[1], "a") as log:
        log.write(f"{status}\\n")
    if status == 500:
        raise RuntimeError("as a handler does that has a fault")
    return web.Response(text="ok")

async def main():
    app = web.Application()
    app.router.add_get("/{name:.*}", answer)
    runner = web.AppRunner(app, keepalive_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


_FASTAPI = """\
import logging, socket, sys
import uvicorn
from fastapi import FastAPI

class Log(logging.FileHandler):
    def format(self, record):
        return str(record.args[4])

app = FastAPI()

@app.get("/fail")
async def fail():
    raise RuntimeError("as a handler does that has a fault")

@app.get("/{name}")
async def answer(name: str):
    return "ok"

logging.getLogger("uvicorn.error").addHandler(logging.NullHandler())
access = logging.getLogger("uvicorn.access")
access.addHandler(Log(sys.argv[1]))
access.setLevel(logging.INFO)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
config = uvicorn.Config(app, timeout_keep_alive=1, log_config=None)
uvicorn.Server(config).run([listener])
"""

_GUNICORN = """\
import sys
from gunicorn.app.base import BaseApplication

def answer(environ, start):
    if environ["PATH_INFO"] == "/fail":
        raise RuntimeError("as a handler does that has a fault")
    start("200 OK", [("Content-Length", "2")])
    return [b"ok"]

class Application(BaseApplication):
    def load_config(self):
        for name, value in {
            "bind": "127.0.0.1:0", "worker_class": "gthread", "threads": 4, "keepalive": 1,
            "accesslog": sys.argv[1], "access_log_format": "%(s)s", "errorlog": "/dev/null",
            "control_socket_disable": True, "when_ready": listening,
        }.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self):
        return answer

def listening(server):
    print(server.LISTENERS[0].sock.getsockname()[1], flush=True)

Application().run()
"""

_PYTHON = {"aiohttp": _AIOHTTP, "fastapi": _FASTAPI, "gunicorn": _GUNICORN}

PEERS = ("nginx", "node", *_PYTHON)


def program_of(name: str) -> str | None:
    """Return a peer's program, None if it is not installed."""
    if name in _PYTHON:
        return sys.executable
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def serving_peer(name: str, program: str, folder: Path) -> Iterator[str]:
    """Run a peer that logs to `folder/access.log`, which is whole when the block is left."""
    log = folder / "access.log"
    log.touch()
    if name == "nginx":
        words = [program, "-p", str(folder), "-c", str(_nginx_configuration(folder))]
    else:
        code = ("-e", _NODE) if name == "node" else ("-c", _PYTHON[name])
        words = [program, *code, str(log)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    ) as process:
        try:
            yield f"http://127.0.0.1:{_port(name, process, folder)}"
        finally:
            process.send_signal(signal.SIGQUIT if name == "nginx" else signal.SIGTERM)
            process.communicate(timeout=PATIENCE)


def _nginx_configuration(folder: Path) -> Path:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "port").write_text(str(port))
    user = "user root;" if os.geteuid() == 0 else ""
    file = folder / "nginx.conf"
    file.write_text(_NGINX.format(folder=folder, port=port, user=user))
    return file


def _port(name: str, process: subprocess.Popen[str], folder: Path) -> int:
    """Wait until it listens, which it says."""
    if name != "nginx":
        return int(_line(process.stdout))
    while "start worker process " not in (line := _line(process.stderr)):
        pass
    assert line
    return int((folder / "port").read_text())


def _line(stream: IO[str] | None) -> str:
    assert stream is not None
    line = stream.readline()
    assert line, "the peer did not start"
    return line
