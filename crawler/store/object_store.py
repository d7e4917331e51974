"""Object stores, by fsspec and its library for each: `s3://bucket/name`, also gs://, az://.

Names and places are as people write them. What a library raises about access, names and networks
becomes one line here.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
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
_CONFLICTS = frozenset({"409", "ConditionalRequestConflict", "OperationAborted"})
"""S3's codes for a condition that could not be judged, as another request was under way."""
_TRIES = 6
_PAUSE = 0.1  # seconds before the second of them; it doubles
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

    def names(self, folder: str = "") -> list[str]:
        """Return the names directly below, or in a folder below; none without any."""
        path = self._at(folder).rstrip("/")
        with stored(self.name + folder, "listed"):
            try:
                found = self._store.ls(path, detail=False)
            except FileNotFoundError:
                return []
        return sorted(each.rstrip("/").rsplit("/", 1)[-1] for each in found if each != path)

    def size(self, name: str) -> int | None:
        """Return the size of an object in bytes; None without one."""
        with stored(self.name + name, "looked for"):
            try:
                return int(self._store.info(self._at(name))["size"])
            except FileNotFoundError:
                return None

    def changed(self, name: str) -> float | None:
        """Return when an object was written, as a Unix time; None without one."""
        with stored(self.name + name, "looked for"):
            try:
                return float(self._store.modified(self._at(name)).timestamp())
            except FileNotFoundError:
                return None

    def create(self, name: str, data: bytes) -> None:
        """Create a small object. One of this name that holds the same is left as it is."""
        with stored(self.name + name, "written"):
            if not self._put(name, data):
                self._check(name, [data])

    def created(self, name: str, data: bytes) -> bool:
        """Create a small object; return False if there is one that holds something else.

        One that holds the same is ours: an answer may be lost, and the request repeated.
        """
        with stored(self.name + name, "written"):
            return self._put(name, data) or self.read(name) == data

    def replace(self, name: str, data: bytes) -> None:
        """Write a small object, in place of what it held."""
        with stored(self.name + name, "written"):
            self._store.pipe_file(self._at(name), data)

    def read(self, name: str) -> bytes | None:
        """Return what a small object holds; None without one."""
        with stored(self.name + name, "read"):
            try:
                found: bytes = self._store.cat_file(self._at(name))
            except FileNotFoundError:
                return None
        return found

    def block(self, name: str, at: int, size: int) -> bytes:
        """Return the bytes from `at` on, of which there are so many."""
        with stored(self.name + name, "read"):
            found: bytes = self._store.cat_file(self._at(name), start=at, end=at + size)
        return found

    def download(self, name: str, path: Path) -> bool:
        """Write an object to a file, as a whole or not at all; return False without one."""
        draft = path.with_name(f".{path.name}.new")
        with stored(self.name + name, "read"):
            try:
                self._store.get_file(self._at(name), str(draft))
            except FileNotFoundError:
                draft.unlink(missing_ok=True)
                return False
            os.replace(draft, path)
        return True

    def upload(self, name: str, path: Path) -> None:
        """Create an object from a file. One of this name that holds the same is left as it is."""
        with stored(self.name + name, "written"):
            if self.size(name) is not None or not self._put_file(name, path):
                self._check(name, _blocks(path))  # it may be of an attempt whose answer was lost

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        with stored(self.name + name, "removed"):
            try:
                self._store.rm_file(self._at(name))
            except FileNotFoundError:
                return

    def remove_all(self, folder: str) -> None:
        """Remove every object in a folder, and below that."""
        with stored(self.name + folder, "removed"):
            found = self._store.find(self._at(folder))
            if found:
                self._store.rm(found)

    def _put(self, name: str, data: bytes) -> bool:
        """Create an object; return False if there is one."""
        return _created(lambda: self._store.pipe_file(self._at(name), data, **self._how))

    def _put_file(self, name: str, path: Path) -> bool:
        return _created(lambda: self._store.put_file(str(path), self._at(name), **self._how))

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


def _created(put: Callable[[], object]) -> bool:
    """Carry out a conditional request; return False if there is an object.

    A conflict says that the condition was not judged: it is asked again.
    """
    for again in range(_TRIES):
        try:
            put()
        except Exception as error:
            if _is_there(error):
                return False
            if again + 1 == _TRIES or not _is_conflict(error):
                raise
            time.sleep(_PAUSE * 2**again)
        else:
            break
    return True


def _is_conflict(error: Exception) -> bool:
    response = getattr(error.__cause__ or error, "response", None) or {}
    return response.get("Error", {}).get("Code") in _CONFLICTS


def _is_there(error: Exception) -> bool:
    """Tell whether an object was not created as there is one: adlfs hands on Azure's own error."""
    return isinstance(error, FileExistsError) or type(error).__name__ == "ResourceExistsError"


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
