"""The format of an output, as its name or `--format` says.

    out.jsonl, out.csv.gz, ...    a file that is written as the crawl goes
    out.parquet, sqlite:x.db      made at the end, from rows that were kept until then
    out/, s3://bucket/out/        a directory of parts in the format of `--format`
    -, a pipe, a device           in the format of `--format`

What is made at the end is built from JSON lines (`ROWS`): the records of a partition, which lie in
its state while the crawl runs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec

from crawler.model.errors import ConfigurationError
from crawler.model.extras import install
from crawler.model.value import value
from crawler.store.archive import SUFFIXES
from crawler.store.claim import is_directory, is_file
from crawler.store.naming import LINES, suffix_of
from crawler.store.object_store import check_library, is_object

_NAMES = {
    **dict.fromkeys(LINES, "jsonl"),
    **{f".{name}": name for name in ("csv", "parquet", "warc")},
}
_DATABASES = ("sqlite", "duckdb")
_PACKED = ("jsonl", "csv", "warc")
_EXTRAS = {"parquet": "pyarrow", "duckdb": "duckdb"}
"""Formats whose library is an extra of the same name."""


@value(frozen=True, slots=True)
class OutputForm:
    """A format, and how it is packed: `.gz`, `.zst` or "".

    nested: fields keep their parts, even with `--flat`.
    """

    name: str = "jsonl"
    packing: str = ""
    nested: bool = False

    @property
    def suffix(self) -> str:
        """The end of a file's name."""
        return f".{self.name}{self.packing}"

    @property
    def appended(self) -> bool:
        """True if records are added to the file as they come."""
        return self.name in _PACKED


ROWS = OutputForm("jsonl", ".zst", nested=True)
"""The format of what outputs are made from at the end."""


@value(frozen=True)
class OutputTarget:
    """An output: as it was named, where it is, and its format.

    headed: a file of its own, with what one begins with. whole: never in several files.
    """

    name: str
    path: str
    form: OutputForm
    headed: bool = True
    whole: bool = False

    @cached_property
    def directory(self) -> bool:
        """True for a directory of parts."""
        return is_directory(self.path)

    @property
    def remote(self) -> bool:
        """True for a directory in an object store."""
        return is_object(self.path)

    @cached_property
    def streamed(self) -> bool:
        """True for standard output, a pipe or a device."""
        return not (self.directory or is_file(self.path))

    @property
    def archive(self) -> bool:
        """True if it holds whole responses, with their headers and bodies."""
        return self.form.name == "warc"

    @property
    def rolling(self) -> bool:
        """True if it goes on in another file when one is long enough (`--warc-size`)."""
        return self.archive and not (self.whole or self.streamed)

    @property
    def alone(self) -> bool:
        """True if one process can write it as the crawl goes."""
        return self.form.appended and not self.directory

    @property
    def part(self) -> OutputTarget:
        """What a partition writes for it; the path remains to be set."""
        form = self.form if self.form.appended else ROWS
        return OutputTarget(self.name, "", form, headed=self.directory, whole=self.streamed)


def logs_of(targets: Sequence[OutputTarget]) -> list[int]:
    """Return the number of the file, of those that a partition writes, for each output.

    What is made at the end is made from the same rows, which are kept once.
    """
    found: list[int] = []
    rows = None
    for each in targets:
        log = max(found, default=-1) + 1
        if not each.form.appended:
            log = rows = log if rows is None else rows
        found.append(log)
    return found


def takes_format(name: str) -> bool:
    """Tell whether `--format` says what an output is: a directory, a pipe, a device."""
    known = name.partition(":")[0] in _DATABASES and ":" in name
    return not known and (is_directory(name) or not is_file(name))


def target(name: str, form: str, *, only: bool = True) -> OutputTarget:
    """Return the output of this name; form: the value of `--format`, only: it is for no other.

    Raises `ConfigurationError` for an unknown suffix, a format that does not fit, and one whose
    library is not installed.
    """
    kind, colon, path = name.partition(":")
    if kind in _DATABASES and colon:
        found = OutputTarget(name, path, OutputForm(kind))
        if not path or found.directory or found.streamed:
            raise ConfigurationError(f"{name}: expected a file, as in {kind}:crawl.db")
    else:
        found = OutputTarget(name, name, _form(name, form, only=only))
    if found.remote:
        _check_remote(name)
    library = _EXTRAS.get(found.form.name)
    if library and find_spec(library) is None:
        raise ConfigurationError(
            f"{name}: needs {library}, which is not installed; {install(found.form.name)}"
        )
    return found


def _check_remote(name: str) -> None:
    path = name.partition("://")[2]
    if not path.endswith("/") or path.startswith("/"):
        raise ConfigurationError(
            f"{name}: expected a directory in a bucket, as in s3://bucket/out/; --format is that "
            "of its parts"
        )
    check_library(name)


def _form(name: str, form: str, *, only: bool) -> OutputForm:
    asked = OutputForm(*_split(f"x.{form}"))
    if is_directory(name):
        return asked
    if not is_file(name):
        if not asked.appended:
            raise ConfigurationError(f"format: {form} cannot be written to a pipe; name a file")
        return asked
    kind, packing = _split(name)
    if not kind and form != "jsonl":
        return asked
    own = OutputForm(kind or "jsonl", packing)
    if only and asked not in (OutputForm(), own):
        raise ConfigurationError(
            f"format: {form} is for a directory or a pipe; {name} says itself what it is"
        )
    return own


def _split(name: str) -> tuple[str, str]:
    """Return the format and the packing that a name ends in, "" for none."""
    stem = os.path.basename(name).lower()
    packing = next((each for each in SUFFIXES if stem.endswith(each)), "")
    suffix = suffix_of(stem.removesuffix(packing))
    kind = _NAMES.get(suffix, "")
    if suffix and (not kind or (packing and kind not in _PACKED)):
        known = ", ".join((*LINES, ".csv", ".warc", *SUFFIXES, ".parquet"))
        raise ConfigurationError(f"{name}: unknown format {suffix}; expected one of {known}")
    return kind, packing
