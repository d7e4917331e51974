"""Object stores that no test server speaks for: gs:// and az://, by file systems in memory.

They create objects as gcsfs and adlfs do, by the arguments and with the errors that those have.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.store import object_store
from crawler.store.object_directory import ObjectDirectory
from crawler.store.object_store import check_library, opened_object
from tests.store.test_object_directory import parts_in

SCHEMES = ("gs", "az")


class ResourceExistsError(Exception):
    """What Azure's library raises."""

    __module__ = "azure.core.exceptions"


class Store(MemoryFileSystem):
    """Objects by their names; `put` and `pipe` are told whether they may replace one."""

    cachable = False

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.partition("://")[2] or path))

    def _refuse(self, path: str, error: type[Exception], *, replaces: bool) -> None:
        if not replaces and self.exists(path):
            raise error(path)


class Google(Store):
    """As gcsfs has it."""

    protocol = "gs"

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Make an object of bytes."""
        self._refuse(path, FileExistsError, replaces=mode != "create")
        super().pipe_file(path, value)

    def put_file(self, lpath: str, rpath: str, mode: str = "overwrite", **_: Any) -> None:
        """Make an object of a file."""
        self._refuse(rpath, FileExistsError, replaces=mode != "create")
        super().put_file(lpath, rpath)


class Azure(Store):
    """As adlfs has it."""

    protocol = "az"

    def pipe_file(self, path: str, value: bytes, overwrite: bool = True, **_: Any) -> None:
        """Make an object of bytes."""
        self._refuse(path, ResourceExistsError, replaces=overwrite)
        super().pipe_file(path, value)

    def put_file(self, lpath: str, rpath: str, overwrite: bool = False, **_: Any) -> None:
        """Make an object of a file."""
        self._refuse(rpath, FileExistsError, replaces=overwrite)
        super().put_file(lpath, rpath)


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(object_store, "find_spec", lambda _name: True)
    for each in (Google, Azure):
        fsspec.register_implementation(str(each.protocol), each, clobber=True)
    MemoryFileSystem.store.clear()
    yield
    MemoryFileSystem.store.clear()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("seen", [True, False])
def test_parts_are_created_once(
    tmp_path: Path, stores: None, monkeypatch: pytest.MonkeyPatch, scheme: str, seen: bool
) -> None:
    """Again after a kill, whether the object that is there is seen first or not; then read."""
    place = ObjectDirectory(f"{scheme}://bucket/out/", "refuse", None, suffix=".jsonl")
    parts = parts_in(tmp_path, b"one\n", b"", b"two\n")
    first = place.gather(parts)
    if not seen:
        monkeypatch.setattr(object_store.ObjectFolder, "size", lambda *_: None)
    assert place.gather(parts) == first and len(first["parts"]) == 2
    for _ in range(2):
        place.publish(b"{}\n")
    found = []
    for name in first["parts"]:
        with opened_object(f"{scheme}://bucket/out/{name}") as file:
            found.append(file.read())
    assert found == [b"one\n", b"two\n"] and len(MemoryFileSystem.store) == 3
    with pytest.raises(EnvironmentFailure, match="holds something else"):
        place.gather(parts_in(tmp_path, b"other\n"))
    with pytest.raises(EnvironmentFailure, match="holds something else"):
        place.publish(b"[]\n")


@pytest.mark.parametrize(
    ("scheme", "library"), [("gs", "gcsfs"), ("az", "adlfs"), ("abfs", "adlfs")]
)
def test_a_missing_library_is_one_line(
    monkeypatch: pytest.MonkeyPatch, scheme: str, library: str
) -> None:
    """It names the library, and the command that installs it."""
    monkeypatch.setattr(object_store, "find_spec", lambda name: name == "fsspec" or None)
    with pytest.raises(ConfigurationError, match=f"needs {library}, .* pip install {library}"):
        check_library(f"{scheme}://bucket/list.txt")
