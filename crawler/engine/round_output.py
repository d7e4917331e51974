"""What rounds have left, once they have ended: the part that their chunks make, and what may go."""

from __future__ import annotations

from pathlib import Path

from crawler.engine.round_files import MANIFEST
from crawler.engine.round_state import Chunk, RoundManifest, round_folder, stored_at
from crawler.store.journal import disk
from crawler.store.round_place import RoundPlace

_BLOCK = 1 << 24


def gathered_part(place: RoundPlace, last: RoundManifest, path: Path) -> None:
    """Write the part as of a partition's last manifest to a file. Raises `OSError`."""
    draft = path.with_name(f"{path.name}.new")
    with disk.drafted(draft, path), draft.open("wb", buffering=0) as file:
        for chunk in _chunks(place, last):
            for at in range(0, chunk.size, _BLOCK):
                size = min(_BLOCK, chunk.size - at)
                data = place.block(chunk.name, chunk.at + at, size)
                if len(data) != size:
                    raise OSError(f"{chunk.name} is shorter than what was written to it")
                disk.write(file.fileno(), data)


def adopted_journal(place: RoundPlace, manifest: RoundManifest, path: Path) -> None:
    """Copy the journal of a round. Raises `OSError`."""
    data = place.read(f"{manifest.work}/journal")
    if data is not None:
        disk.replace(path, data)


def tidied(place: RoundPlace, former: RoundManifest, manifest: RoundManifest) -> None:
    """Remove what nobody needs of the round before the one of `manifest`. Raises `OSError`."""
    folder = round_folder(former.partition, former.round)
    needed = {each.name for each in (*former.records, *manifest.handed)}
    for attempt in place.names(folder):
        if attempt[0] == "a" and attempt[1:].isdigit():
            own = f"{folder}/{attempt}/p{former.partition}"
            died = attempt != f"a{former.attempt}"
            for name in place.names(own):
                # What an attempt that died has handed over may be what others have open.
                kept = died and name.startswith("handed.")
                if not kept and f"{own}/{name}" not in needed:
                    place.remove(f"{own}/{name}")


def _chunks(place: RoundPlace, last: RoundManifest) -> list[Chunk]:
    """Return the chunks of a part in order: each manifest has those of its own round."""
    found: list[Chunk] = []
    left, manifest = last.length, last
    while True:
        for chunk in reversed(manifest.records):
            if chunk.end == left:
                found.append(chunk)
                left = chunk.start
        if not left:
            return found[::-1]
        name = f"{round_folder(last.partition, manifest.round - 1)}/{MANIFEST}"
        before = stored_at(place, name, RoundManifest)
        if before is None:
            raise OSError(f"{place.name}/{name} is not there")
        manifest = before
