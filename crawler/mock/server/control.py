"""Inspect and change a running mock web over HTTP: the paths that begin with `/__`.

    GET  /__ready       200 once it serves
    GET  /__scenario    every option as a JSON object
    PUT  /__scenario    change options: a JSON object, or TOML with a table [mock]
    GET  /__truth       the result of a perfect crawl as JSON lines; ?summary: one JSON object
    GET  /__ledger      gaps, width and violations for each host and address
    GET  /__statistics  counters of all processes together
    POST /__reset       forget ledger, attempts and counters
    GET  /__faults      the catalogue: faults, traps, forms of robots.txt, sitemaps, paths
    GET  /__ca.pem      with TLS: the authority that signed the certificate

They answer requests for a loopback name or one of the server's names; web pages of another origin
get 403 (`crawler.mock.server.callers`). Any process answers for all of them. Control requests count
neither in the ledger nor in the statistics. A change is in force in every process before the 200.
"""

from __future__ import annotations

import asyncio
import threading
import tomllib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from typing import TypeVar

import orjson

from crawler.mock.judge import truth
from crawler.mock.reply import Answer, Ask, CatalogueEntry, Lazy, content, notice
from crawler.mock.scenario import MockWeb
from crawler.mock.server.responder import Everyone, total
from crawler.model.errors import ConfigurationError, EnvironmentFailure

# Options of sockets, processes and files cannot change after the start.
FIXED = ("authority", "hosts", "host", "port", "public", "processes", "tls", "access_log")

# The truth is made while it is sent, in pieces of this size with pauses for other requests.
_PIECE_BYTES = 32 * 1024
_PIECE_PAUSE = 0.001

_NOT_KEPT = (("Cache-Control", "no-store"),)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The control paths of one process.

    options: returns those in force now. everyone: has all processes execute an order and returns
    their results. ledger: returns the merged ledger as JSON. ca_pem: empty without TLS.
    """

    options: Callable[[], MockWeb]
    everyone: Everyone
    ledger: Callable[[], Awaitable[object]]
    catalogue: Callable[[], Iterable[CatalogueEntry]]
    ca_pem: bytes = b""

    async def answer(self, ask: Ask, body: bytes) -> Answer:
        """Answer a control request; errors are 404, 405, 400, 409 or 503 with one line."""
        methods = _PATHS.get(ask.path)
        if methods is None:
            return notice(404, f"no control path {ask.path}; there are {', '.join(_PATHS)}")
        method = "GET" if ask.method == "HEAD" else ask.method
        if method not in methods:
            allowed = ", ".join(methods)
            return notice(405, f"{ask.path} takes {allowed}", headers=(("Allow", allowed),))
        try:
            return await self._answer(ask, method, body)
        except ConfigurationError as error:
            return notice(400, str(error))
        except EnvironmentFailure as error:
            return notice(503, str(error))

    async def _answer(self, ask: Ask, method: str, body: bytes) -> Answer:
        match ask.path.removeprefix("/__"), method:
            case "ready", _:  # all processes listen before any of them answers
                return notice(200, "ready", headers=_NOT_KEPT)
            case "scenario", "PUT":
                return await self._change(body)
            case "scenario", _:
                return _json(self.options().plain_values())
            case "truth", _:
                return await self._truth(summary=ask.query("summary", "no") != "no")
            case "ledger", _:
                return _json(await self.ledger())
            case "statistics", _:
                parts = await self.everyone("statistics", None)
                return _json({**asdict(total(parts)), "processes": len(parts)})
            case "reset", _:
                await self.everyone("reset", None)
                return notice(200, "forgotten", headers=_NOT_KEPT)
            case "faults", _:
                return _json([entry._asdict() for entry in self.catalogue()])
            case _ if self.ca_pem:
                return content(self.ca_pem, "application/x-pem-file", headers=_NOT_KEPT)
            case _:
                return notice(404, "no certificate was made for this web; see --tls")

    async def _change(self, body: bytes) -> Answer:
        present = self.options().plain_values()
        wanted = self.options().changed(_changes(body)).plain_values()
        changes = {name: value for name, value in wanted.items() if value != present[name]}
        fixed = [name for name in FIXED if name in changes]
        if fixed:
            return notice(409, f"{fixed[0]}: cannot change while the web is served")
        await self.everyone("apply", changes)
        return _json(self.options().plain_values())

    async def _truth(self, *, summary: bool) -> Answer:
        """Stream the result of a perfect crawl; a thread counts the summary."""
        options = self.options()
        if summary:
            return _json(await _in_thread(lambda: truth.summary(options)))
        lines = Lazy(make=lambda: _grouped(truth.lines(options)))
        headers = (("Content-Type", "application/jsonl"), *_NOT_KEPT)
        return Answer(headers=headers, pieces=lines, pause=_PIECE_PAUSE)


_PATHS = {
    "/__ready": ("GET",),
    "/__scenario": ("GET", "PUT"),
    "/__truth": ("GET",),
    "/__ledger": ("GET",),
    "/__statistics": ("GET",),
    "/__reset": ("POST",),
    "/__faults": ("GET",),
    "/__ca.pem": ("GET",),
}
"""The control paths, and the methods that each takes."""


def _json(value: object) -> Answer:
    body = orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
    return content(body, "application/json", headers=_NOT_KEPT)


def _changes(body: bytes) -> Mapping[str, object]:
    """Return the changes in a request's body; raise `ConfigurationError` if it is invalid."""
    if body.lstrip().startswith(b"{"):
        try:
            found: dict[str, object] = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ConfigurationError(f"expected JSON: {error}") from error
        return found
    try:
        tables = tomllib.loads(body.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"expected JSON or TOML: {error}") from error
    table = tables.pop("mock", None)
    if tables or not isinstance(table, dict):
        raise ConfigurationError("TOML needs one table, [mock], and nothing else")
    return table


def _grouped(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Join lines to pieces, as each piece is a chunk and a write."""
    gathered, size = [], 0
    for line in lines:
        gathered.append(line)
        size += len(line)
        if size >= _PIECE_BYTES:
            yield b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)


async def _in_thread(work: Callable[[], Result]) -> Result:
    """Return the result of `work` in a daemon thread, which a loop's end does not wait for."""
    made: Future[Result] = Future()
    made.set_running_or_notify_cancel()  # a cancelled wait must not cancel the thread's future

    def run() -> None:
        try:
            made.set_result(work())
        except Exception as error:
            made.set_exception(error)

    threading.Thread(target=run, name="mock-truth", daemon=True).start()
    return await asyncio.wrap_future(made)
