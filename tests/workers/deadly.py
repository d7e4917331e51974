"""A parser that one page makes end its process."""

from __future__ import annotations

import os

from crawler import Response


def parse(response: Response) -> dict[str, object]:
    if response.url.endswith("/7"):
        os._exit(11)
    return {}
