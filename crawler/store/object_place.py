"""Where rounds on several machines meet, in an object store.

    out/.state/RUN/run.json, list-*         the run, and the lists that are no files
    out/.state/RUN/pN/rR/...                as in a directory (`crawler.engine.round_state`)

An attempt works in a directory of its own machine. What a round leaves are objects that are created
once, before its manifest is: nothing is ever appended to. What an attempt that died has not left is
fetched again.
"""

from __future__ import annotations

from pathlib import Path
from secrets import token_hex

from crawler.model.errors import EnvironmentFailure
from crawler.store.object_store import ObjectFolder, check_library, is_object
from crawler.store.round_place import RoundPlace, SharedFolder

_BLOCK = 1 << 24


class ObjectPlace:
    """The objects below a name. folder: where an attempt works on this machine; None for none."""

    shows_attempts = False

    def __init__(self, name: str, folder: Path | None = None) -> None:
        check_library(name)
        self.name = name.rstrip("/")
        self.folder = folder
        self._objects = ObjectFolder(f"{self.name}/")

    def __repr__(self) -> str:
        return f"ObjectPlace({self.name!r})"

    def create(self, name: str, data: bytes) -> bool:
        """Create an object on condition that there is none."""
        return self._objects.created(name, data)

    def read(self, name: str) -> bytes | None:
        """Return what an object holds; None without one."""
        return self._objects.read(name)

    def changed(self, name: str) -> float | None:
        """Return the time of an object by the clock of its store."""
        return self._objects.changed(name)

    def write(self, name: str, data: bytes) -> None:
        """Replace an object, which readers see as a whole."""
        self._objects.replace(name, data)

    def names(self, folder: str) -> list[str]:
        """Return what is listed below a name, in order."""
        return [name for name in self._objects.names(folder) if not name.startswith(".")]

    def remove(self, name: str) -> None:
        """Remove an object, and all those below its name."""
        self._objects.remove_all(name)

    def fetch(self, name: str) -> bool:
        """Download an object to where attempts work, unless it is there."""
        path = self._here / name
        if path.exists():
            return True
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._objects.download(name, path)

    def keep(self, name: str, start: int, size: int) -> int:
        """Create an object from a piece of a file; it begins with that piece."""
        path = self._here / name
        if start == 0 and size == path.stat().st_size:
            self._objects.upload(name, path)
            return 0
        piece = path.with_name(f".{path.name}.piece")
        try:
            with path.open("rb") as file, piece.open("wb") as copy:
                file.seek(start)
                while size and (data := file.read(min(size, _BLOCK))):
                    size -= copy.write(data)
            if size:
                raise OSError("a file is shorter than what was written to it")
            self._objects.upload(name, piece)
        finally:
            piece.unlink(missing_ok=True)
        return 0

    def block(self, name: str, at: int, size: int) -> bytes:
        """Return a range of an object."""
        return self._objects.block(name, at, size)

    def shared(self) -> list[Path]:
        """Download the copies of lists."""
        names = [name for name in self.names("") if name.startswith("list-")]
        return [self._here / name for name in names if self.fetch(name)]

    def share(self, folder: Path) -> None:
        """Upload the copies of lists, unless an earlier driver has: theirs are what was read."""
        there = self.names("")
        for path in sorted(folder.glob("list-*")):
            if path.name not in there:
                self._objects.upload(path.name, path)

    def probe(self) -> None:
        """Raise `EnvironmentFailure` unless the store creates an object only once."""
        name = f"probe-{token_hex(8)}"
        self._objects.create(name, b"one\n")
        try:
            if self._objects.created(name, b"two\n"):
                raise EnvironmentFailure(
                    f"{self.name}: the store replaces an object that is to be created once "
                    "(If-None-Match), so two workers could crawl the same; use another store, or "
                    "a directory that all machines share"
                )
        finally:
            self._objects.remove(name)

    @property
    def _here(self) -> Path:
        if self.folder is None:
            raise ValueError("a place without a directory to work in")
        return self.folder


def place_at(name: str, folder: Path | None = None) -> RoundPlace:
    """Return the place of this name; folder: where attempts work if it is no directory itself."""
    return ObjectPlace(name, folder) if is_object(name) else SharedFolder(name)
