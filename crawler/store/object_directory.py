"""A directory of parts in an object store: `-o s3://bucket/out/`.

    out/part-20261130T051647Z-3f9c2a71-00000.jsonl.gz   by the run and the number of the partition
    out/receipt-20261130T051647Z-3f9c2a71.json          written last: all parts are there

Parts lie in the state while the crawl runs. At the end each is created in the store as a whole,
under a name that no other run has, and then the receipt. A kill at any moment costs the upload of
one part: an object that is there already is read back, and left if it holds the same.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crawler.model.choices import Existing
from crawler.model.errors import ConfigurationError
from crawler.store.gathering import CommittedPart, PartPacker, explained
from crawler.store.journal import disk
from crawler.store.object_store import ObjectFolder
from crawler.store.receipt_file import digest_of
from crawler.store.volumes import named

_OURS = re.compile(
    r"part-\d{8}T\d{6}Z-[0-9a-f]{8}-\d{5,}(?:-\d{5,})?\.[a-z]+(?:\.gz|\.zst)?"
    r"|receipt-\d{8}T\d{6}Z-[0-9a-f]{8}\.json"
)

STATE = ".state/"
"""Where a run on a cluster keeps its state, below its output."""


def receipt_name(run: str) -> str:
    """Return the name of a run's receipt."""
    return f"receipt-{run}.json"


def last_receipt(folder: ObjectFolder) -> bytes | None:
    """Return the receipt of the latest run of an output; None without one."""
    names = [name for name in folder.names() if name.startswith("receipt-")]
    found = [name for name in names if _OURS.fullmatch(name)]  # by time, as they are named by it
    return folder.read(max(found)) if found else None


class ObjectDirectory:
    """A directory in an object store, to which one run adds its parts and its receipt.

    suffix, packer, begun: as for `PartDirectory`. Raises `ConfigurationError` if parts of another
    run are there that may neither be replaced nor added to, and `EnvironmentFailure` if no object
    can be created and removed there.
    """

    def __init__(
        self,
        path: str,
        existing: Existing,
        begun: Mapping[str, Any] | None,
        *,
        suffix: str,
        packer: PartPacker | None = None,
    ) -> None:
        self.label = path
        self._suffix = suffix
        self._packer = packer
        self._folder = ObjectFolder(path)
        self.begun = dict(begun or self._begun(existing))
        self._probe()

    def __repr__(self) -> str:
        return f"ObjectDirectory({self.label!r})"

    def check_room(self, parts: Sequence[CommittedPart]) -> None:
        """Do nothing: a store has room."""

    def gather(self, parts: Sequence[CommittedPart]) -> dict[str, Any]:
        """Upload the parts; return names, sizes and hash for the receipt.

        Raises `EnvironmentFailure`; then the parts are still in the state.
        """
        made = dict(each for part in parts if part.length for each in self._made(part))
        for name, path in made.items():
            self._folder.upload(name, path)
        return {"output": self.label, "parts": list(made), **digest_of(made.values())}

    def publish(self, receipt: bytes) -> None:
        """Upload the receipt, and remove what is replaced and the state that a cluster shared.

        Raises `EnvironmentFailure`.
        """
        run = self.begun["run"]
        self._folder.create(receipt_name(run), receipt)
        for name in self.begun["replaced"]:
            self._folder.remove(name)
        if run.encode() in (self._folder.read(f"{STATE}run.json") or b""):
            self._folder.remove_all(STATE)

    def close(self) -> None:
        """Do nothing: nothing is held."""

    def _begun(self, existing: Existing) -> dict[str, Any]:
        there = [name for name in self._folder.names() if _OURS.fullmatch(name)]
        if there and existing == "refuse":
            raise ConfigurationError(
                f"{self.label}: holds {len(there):,} parts and receipts already; say --append or "
                "--overwrite, or name another directory"
            )
        run = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        return {"run": run, "replaced": there if existing == "replace" else []}

    def _probe(self) -> None:
        """Create and remove an object: better refused now than in an hour."""
        name = f"probe-{secrets.token_hex(8)}"
        self._folder.create(name, b"A crawl tries whether it can write here.\n")
        self._folder.remove(name)

    def _name(self, part: CommittedPart) -> str:
        return f"part-{self.begun['run']}-{part.partition:05d}{self._suffix}"

    def _made(self, part: CommittedPart) -> list[tuple[str, Path]]:
        """Return the files to upload, by their names: what was committed of a part, or packed.

        A packed file stays in the state, as packing again may not make the same bytes.
        """
        name = self._name(part)
        with explained(str(part.path)):
            if self._packer is None:
                files = part.files
                for file in files:
                    disk.truncate(file.path, file.length)
                return [(named(name, number), file.path) for number, file in enumerate(files)]
            packed = part.path.with_name(f"packed-{name}")
            if not packed.exists():
                draft = packed.with_name(f"{packed.name}.new")
                with disk.drafted(draft, packed):
                    self._packer.pack(draft, [part], 0)
        return [(name, packed)]
