"""A mock web for a load, in a process of its own, so that it takes nothing of the generator's."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from crawler.model.errors import EnvironmentFailure
from crawler.runtime.children import environment, python


@contextmanager
def mock_web(options: Mapping[str, str] | None = None) -> Iterator[str]:
    """Serve for as long as the block lasts; yields the address.

    Raises `EnvironmentFailure` if it does not start; its own line on standard error says why.
    """
    words = python("-m", "crawler", "mock", "--port", "0")
    words += [word for name, value in (options or {}).items() for word in (f"--{name}", value)]
    clean = {n: v for n, v in environment().items() if not n.startswith("CRAWLER_MOCK_")}
    with subprocess.Popen(  # noqa: S603  this program, with options of its own
        words, stdout=subprocess.PIPE, env=clean, text=True
    ) as process:
        try:
            url = next(iter(process.stdout or ()), "").strip()
            if not url:
                raise EnvironmentFailure("the mock web did not start")
            yield url
        finally:
            process.terminate()
