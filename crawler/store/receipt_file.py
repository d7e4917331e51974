"""Receipts of crawls that have ended, and the other JSON files of their state."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from crawler.store.object_store import ObjectFolder, is_object
from crawler.store.volumes import size_of_all

_BLOCK = 1 << 20


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; {} without one."""
    try:
        values = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def indented(values: Mapping[str, Any]) -> bytes:
    """Return an object as JSON for people."""
    return orjson.dumps(dict(values), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def fitting_receipt(path: Path, output: str) -> dict[str, Any]:
    """Return a receipt; {} without one, and if the output has gone or is of another size."""
    return fitting(read_object(path), output)


def fitting(receipt: dict[str, Any], output: str) -> dict[str, Any]:
    """Return a receipt if the output is there, of the size that it says; {} if not."""
    try:
        fits = bool(receipt) and size_of(output, receipt) == receipt["bytes"]
        for other in receipt.get("others", ()):
            fits = fits and size_of(other["output"], other) == other["bytes"]
    except (OSError, KeyError, TypeError):  # a part has gone, or the receipt is none of ours
        fits = False
    return receipt if fits else {}


def digest_of(paths: Iterable[Path]) -> dict[str, Any]:
    """Return size and hash over the contents of files, as a receipt has them.

    Raises `OSError`.
    """
    digest, size = hashlib.sha256(), 0
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                size += len(block)
    return {"bytes": size, "sha256": digest.hexdigest()}


def others_of(measured: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what a receipt says of further outputs, by their names; nothing without any."""
    found = [{"output": os.path.realpath(name), **values} for name, values in measured.items()]
    return {"others": found} if found else {}


def size_of(output: str, receipt: Mapping[str, Any]) -> int:
    """Return the size of the output that a receipt is for.

    Raises `OSError` if it is gone, `EnvironmentFailure` if its store cannot be asked.
    """
    output = receipt.get("output", output)
    names = receipt.get("parts")
    if is_object(output):
        return _objects_size(output, names or ())
    if names is None:
        return size_of_all(output)
    return sum(os.stat(os.path.join(output, name)).st_size for name in names)


def _objects_size(output: str, names: Iterable[str]) -> int:
    folder = ObjectFolder(output)
    sizes = [folder.size(name) for name in names]
    if None in sizes:
        raise FileNotFoundError(output)
    return sum(filter(None, sizes))
