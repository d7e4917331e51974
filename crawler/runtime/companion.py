"""A Python process of this package, talked to by lines over its standard streams."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from crawler.runtime.children import environment, python

_END_SECONDS = 10.0


class Companion:
    """The process as its parent sees it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __repr__(self) -> str:
        return f"Companion({self._process.pid})"

    def tell(self, line: str) -> None:
        """Send a line."""
        if self._process.stdin is not None:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()

    def heard(self) -> str:
        """Return the next line; "" once there is none."""
        return self._process.stdout.readline().rstrip("\n") if self._process.stdout else ""


@contextmanager
def companion(module: str) -> Iterator[Companion]:
    """Run a module; when the block is left its streams are closed, and it ends or is killed."""
    with subprocess.Popen(  # noqa: S603  this very Python and this very package
        python("-m", module),
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Companion(process)
        finally:
            for pipe in (process.stdout, process.stdin):
                with suppress(BrokenPipeError):  # it ended before it read what was told
                    if pipe is not None:
                        pipe.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)
            process.kill()


def ended(code: int) -> str:
    """Return what a process's exit code says: `exit code 3`, `killed by SIGKILL`."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def obituary(name: str, code: int) -> str:
    """Return the same as a sentence about a process."""
    return f"{name} {'was' if code < 0 else 'has ended with'} {ended(code)}"
