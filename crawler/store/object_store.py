"""Object stores, by fsspec and its library for each: `s3://bucket/name`, also gs://, az://.

Names and places are as people write them. What a library raises about access, names and networks
becomes one line here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.extras import install

_LIBRARIES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
STORES = tuple(f"{scheme}://" for scheme in _LIBRARIES)
_CREATE: dict[str, dict[str, Any]] = {
    **{scheme: {"mode": "create"} for scheme in ("s3", "gs")},
    **{scheme: {"overwrite": False} for scheme in ("az", "abfs")},
}
"""What makes a store's library create an object only if there is none of its name."""
_FOREIGN = frozenset({"aiobotocore", "botocore", "gcsfs", "adlfs", "aiohttp", "azure"})
"""Packages whose errors about access, names and networks fsspec hands on."""
_BLOCK = 1 << 20


def is_object(name: str) -> bool:
    """Return whether a name is that of an object, or of a directory of them."""
    return name.startswith(STORES)


def place_of(name: str) -> str:
    """Return what identifies an output: its real path, or its name in a store."""
    return name if is_object(name) else os.path.realpath(name)


def check_library(name: str) -> None:
    """Raise `ConfigurationError` if the libraries for an object's store are not installed."""
    scheme = name.partition("://")[0]
    library = _LIBRARIES[scheme]
    for each in ("fsspec", library):
        if find_spec(each) is None:
            hint = install("s3") if scheme == "s3" or each == "fsspec" else f"pip install {each}"
            raise ConfigurationError(f"{name}: needs {each}, which is not installed; {hint}")


@contextmanager
def opened_object(name: str) -> Iterator[Any]:
    """Open an object for reading. Raises `ConfigurationError` without its library."""
    check_library(name)
    import fsspec

    with stored(name, "read"), fsspec.open(name, "rb") as file:
        yield file


@contextmanager
def stored(name: str, done: str) -> Iterator[None]:
    """Raise `EnvironmentFailure` that names `name` for what a store refuses in the block.

    done: what was to be done with it, as a participle.
    """
    try:
        yield
    except FileNotFoundError:
        what = "object" if done == "read" else "bucket"
        raise EnvironmentFailure(f"{name}: no such {what}; check the name") from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] in _FOREIGN or isinstance(error, OSError):
            why = " ".join(str(error).split())[:200]
            raise EnvironmentFailure(f"{name}: cannot be {done}: {why}") from None
        raise


class ObjectFolder:
    """The objects below a name that ends in `/`. Every method but `size` raises what `stored` does.

    An object is created and never replaced.
    """

    def __init__(self, name: str) -> None:
        import fsspec

        self.name = name
        with stored(name, "opened"):
            self._store, path = fsspec.core.url_to_fs(name, use_listings_cache=False)
        self._path = path.rstrip("/")
        self._how = _CREATE[name.partition("://")[0]]

    def __repr__(self) -> str:
        return f"ObjectFolder({self.name!r})"

    def names(self) -> list[str]:
        """Return the names of the objects directly below; none without any."""
        with stored(self.name, "listed"):
            try:
                found = self._store.ls(self._path, detail=False)
            except FileNotFoundError:
                return []
        return sorted(path.rsplit("/", 1)[-1] for path in found)

    def size(self, name: str) -> int | None:
        """Return the size of an object in bytes; None without one."""
        with stored(self.name + name, "looked for"):
            try:
                return int(self._store.info(self._at(name))["size"])
            except FileNotFoundError:
                return None

    def create(self, name: str, data: bytes) -> None:
        """Create a small object. One of this name that holds the same is left as it is."""
        with stored(self.name + name, "written"):
            try:
                self._store.pipe_file(self._at(name), data, **self._how)
            except Exception as error:
                if not _is_there(error):
                    raise
                self._check(name, [data])

    def upload(self, name: str, path: Path) -> None:
        """Create an object from a file. One of this name that holds the same is left as it is."""
        with stored(self.name + name, "written"):
            if self.size(name) is None:
                try:
                    self._store.put_file(str(path), self._at(name), **self._how)
                except Exception as error:
                    if not _is_there(error):
                        raise  # else by an attempt whose answer was lost
                else:
                    return
            self._check(name, _blocks(path))

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        with stored(self.name + name, "removed"):
            try:
                self._store.rm_file(self._at(name))
            except FileNotFoundError:
                return

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}"

    def _check(self, name: str, blocks: Iterable[bytes]) -> None:
        """Raise `EnvironmentFailure` if an object holds something else than these blocks."""
        ours, theirs = hashlib.sha256(), hashlib.sha256()
        for block in blocks:
            ours.update(block)
        with self._store.open(self._at(name), "rb") as file:
            while block := file.read(_BLOCK):
                theirs.update(block)
        if ours.digest() != theirs.digest():
            raise EnvironmentFailure(
                f"{self.name}{name}: holds something else already, and nothing is replaced"
            )


def _is_there(error: Exception) -> bool:
    """Tell whether an object was not created as there is one: adlfs hands on Azure's own error."""
    return isinstance(error, FileExistsError) or type(error).__name__ == "ResourceExistsError"


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
