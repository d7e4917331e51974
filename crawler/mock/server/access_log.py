"""The access log: one line of JSON for each request, in the order in which they end.

A line has `time` (of the request's arrival, UTC), `client` and `address` (the two ends of the
connection), `host`, `method`, `target`, `status`, `bytes` (sent, header section included), `delay`
(the planned seconds before the first byte), `seconds` (from the request's arrival to the answer's
last byte), `kind` (of a special answer, or empty), `user_agent` and `process` (from 0).

Several processes append whole lines to the same file (O_APPEND). A full disk, a reader that has
gone, or one that reads a pipe too slowly ends the log with one line on stderr, never the server.
"""

from __future__ import annotations

import os
import select
import stat
import sys
import time

import orjson

from crawler.model.errors import EnvironmentFailure

# Written immediately above this size; otherwise the owner flushes.
BUFFER_BYTES = 64 * 1024
# Maximum lag of a pipe's reader, and seconds to wait for it at the end.
MAX_LAG_BYTES = 16 * 1024 * 1024
LAST_SECONDS = 1.0
# POSIX: a writable pipe takes PIPE_BUF bytes at once; 4,096 on Linux.
PIPE_BYTES = select.PIPE_BUF
_MAX_TARGET, _MAX_AGENT = 2048, 512
_CUT = 256

_STDOUT = 1


class AccessLog:
    """An open access log; `path` is a file to append to, or `-` for stdout.

    Raises `EnvironmentFailure` if the file cannot be opened.
    """

    def __init__(self, path: str, process: int = 0) -> None:
        self.path = path
        self._process = process
        self._lines: list[bytes] = []
        self._size = 0
        self._second, self._stamp = -1, ""
        self._file = _open(path)
        self._ready = select.poll()  # a file always is, and takes everything at once
        self._ready.register(self._file, select.POLLOUT)
        self._at_once = MAX_LAG_BYTES if stat.S_ISREG(os.fstat(self._file).st_mode) else PIPE_BYTES
        self._broken = False

    def __repr__(self) -> str:
        return f"AccessLog({self.path!r}, process={self._process})"

    def write(  # noqa: PLR0913 - one argument for each column
        self,
        *,
        client: str,
        address: str,
        host: str,
        method: bytes,
        target: bytes,
        agent: bytes,
        status: int,
        sent: int,
        delay: float,
        seconds: float,
        kind: str,
    ) -> None:
        """Log a request that has ended now, `seconds` after it arrived."""
        if self._broken:
            return
        record = {
            "time": self._time(time.time() - seconds),
            "client": client,
            "address": address,
            "host": host,
            "method": _text(method),
            "target": _text(target[:_MAX_TARGET]),
            "status": status,
            "bytes": sent,
            "delay": round(delay, 6),
            "seconds": round(seconds, 6),
            "kind": kind,
            "user_agent": _text(agent[:_MAX_AGENT]),
            "process": self._process,
        }
        line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        if len(line) > PIPE_BYTES:  # a pipe could split a longer line
            short = {"target": _text(target[:_CUT]), "user_agent": _text(agent[:_CUT])}
            line = orjson.dumps({**record, **short}, option=orjson.OPT_APPEND_NEWLINE)
        self._lines.append(line)
        self._size += len(line)
        if self._size >= BUFFER_BYTES:
            self.flush()

    def flush(self, seconds: float = 0.0) -> None:
        """Write the buffered lines; to a pipe, as many as it takes within `seconds`."""
        deadline = time.monotonic() + seconds
        at = 0
        try:
            while at < len(self._lines):
                if not self._ready.poll(max(deadline - time.monotonic(), 0) * 1000):
                    break
                piece, at = self._piece(at)
                self._size -= len(piece)
                while piece:  # a nearly full disk takes only a part
                    piece = piece[os.write(self._file, piece) :]
        except OSError as error:
            self._break(error.strerror or str(error))
        del self._lines[:at]
        if self._size > MAX_LAG_BYTES:
            self._break("its reader is too slow")

    def close(self) -> None:
        """Write the rest and close the file; wait up to a second for a pipe's slow reader."""
        self.flush(LAST_SECONDS)
        self._lines.clear()
        self._broken = True
        if self._file != _STDOUT:
            os.close(self._file)

    def _piece(self, start: int) -> tuple[bytes, int]:
        """Return the lines from `start` that are written at once, at least one, and their end."""
        size, end = len(self._lines[start]), start + 1
        while end < len(self._lines) and size + len(self._lines[end]) <= self._at_once:
            size += len(self._lines[end])
            end += 1
        return b"".join(self._lines[start:end]), end

    def _break(self, reason: str) -> None:
        self._broken, self._size = True, 0
        self._lines.clear()
        name = "stdout" if self.path == "-" else self.path
        print(  # noqa: T201 - the only notice that the log has ended
            f"mock web: the access log ends here, cannot write {name}: {reason}", file=sys.stderr
        )

    def _time(self, seconds: float) -> str:
        """Return ISO 8601 in UTC with milliseconds; the part up to the second is cached."""
        second = int(seconds)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._stamp}.{int((seconds - second) * 1000):03d}Z"


def _open(path: str) -> int:
    if path == "-":
        return _STDOUT
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise EnvironmentFailure(f"cannot write the access log {path}: {reason}") from error


def _text(data: bytes) -> str:
    r"""Return bytes as text, invalid ones as `\xNN`."""
    return data.decode("utf-8", "backslashreplace")
