"""The format that an output's name promises: `out.parquet` must not hold JSON lines."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from crawler.model.errors import ConfigurationError
from crawler.store.archive import SUFFIXES
from crawler.store.claim import inherited

LINES = (".jsonl", ".ndjson", ".jl", ".json")
"""Names for JSON lines; a list with one of them is read as such, too."""

_FORM = re.compile(r"\.[a-z][a-z0-9]{0,7}")  # not `.1`, `.2026-11-29` or mktemp's `.XXXXXXXXXX`


def check_name(path: str, forms: Sequence[str], *, packed: bool) -> None:
    """Refuse a file whose suffix is not in `forms`; no suffix is fine, too.

    packed: allow .gz and .zst as well. Pipes and devices may have any name. Raises
    `ConfigurationError`.
    """
    if inherited(path) is not None or (os.path.exists(path) and not os.path.isfile(path)):
        return
    stem = os.path.basename(path).lower()
    if packed:
        stem = next((stem.removesuffix(s) for s in SUFFIXES if stem.endswith(s)), stem)
    suffix = suffix_of(stem)
    if suffix and suffix not in forms:
        names = ", ".join((*forms, *(SUFFIXES if packed else ())))
        raise ConfigurationError(f"{path}: unknown format {suffix}; expected one of {names}")


def suffix_of(stem: str) -> str:
    """Return the suffix by which a name promises a format; "" if it does not."""
    suffix = os.path.splitext(stem)[1]
    return suffix if _FORM.fullmatch(suffix) else ""
