"""Small files that are whole or absent."""

from __future__ import annotations

import os
from typing import Any

import orjson

from crawler.model.output import dumps
from crawler.store.outlet import unwritable


def write_json(path: str, value: Any) -> None:
    """Write `value` as indented JSON; a reader sees the old file or the whole new one.

    The text goes to a file beside `path` first, which then takes its place. A device or a pipe
    (`/dev/stdout`) is written as it is.

    Raises `EnvironmentFailure` that names `path`.
    """
    data = dumps(value, orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            _write(path, data, os.O_WRONLY)
        else:
            _replace(os.path.realpath(path), data)  # a link stays a link
    except (OSError, ValueError) as error:
        raise unwritable(path, error) from None


def _replace(path: str, data: bytes) -> None:
    draft = f"{path}.{os.getpid()}.draft"
    try:
        _write(draft, data, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.replace(draft, path)
    except BaseException:
        if os.path.exists(draft):
            os.unlink(draft)
        raise


def _write(path: str, data: bytes, flags: int) -> None:
    with open(os.open(path, flags | os.O_CLOEXEC, 0o666), "wb") as file:
        file.write(data)
