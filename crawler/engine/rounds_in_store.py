"""A run in rounds whose output is in an object store, as any machine can go on with it.

    out/.state/run.json      created once: what the driver has to know of the run (`RunFolder`)
    out/.state/RUN/          the place of its rounds (`crawler.store.object_place`)

The driver works in a directory of its own machine, which may be empty: then it takes up the run
that the store holds. All of it goes when the receipt is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson

from crawler.engine.partition_plan import Wish
from crawler.engine.round_attempt import WISH
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.store.journal import disk
from crawler.store.object_directory import STATE, receipt_name
from crawler.store.object_place import ObjectPlace
from crawler.store.object_store import ObjectFolder
from crawler.store.receipt_file import read_object
from crawler.store.round_place import RoundPlace
from crawler.store.run_folder import PLACE

_RUN = f"{STATE}run.json"


def check_store(config: CommandConfig, inputs: Sequence[str]) -> None:
    """Raise `ConfigurationError` for an order that needs a directory that all machines share."""
    if "-" in inputs:
        raise ConfigurationError(
            "cluster: with an output in an object store the list cannot come from standard input; "
            "put it into the store"
        )
    if config.following.max_pages:
        raise ConfigurationError(
            "max_pages: cannot be used with --cluster and an output in an object store; use a "
            "directory that all machines share, or --max-per-host"
        )


def recalled(output: str, folder: Path, *, replace: bool) -> None:
    """Take up the run that a store holds for an output, if this machine does not know it.

    Raises `ConfigurationError` if `folder` is the state of another one, `EnvironmentFailure` and
    `OSError`.
    """
    objects = ObjectFolder(output)
    if replace:
        _withdraw(objects)
        return
    own = _number(read_object(folder / "run.json"))
    data = objects.read(_RUN)
    if data is None:
        if own and objects.size(receipt_name(own)) and not (folder / "ended.json").exists():
            raise ConfigurationError(
                f"{output}: this run was ended by another machine; remove {folder}"
            )
        return
    there = _number(orjson.loads(data))
    if objects.size(receipt_name(there)) is not None:  # it was killed just before it would have
        objects.remove_all(STATE)
    elif not own:
        disk.make_folder(folder)
        disk.replace(folder / "run.json", data)
    elif own != there:
        raise _another(output, there, folder)


def place_in_store(output: str, folder: Path) -> RoundPlace:
    """Return the place for the rounds of the run in `folder`, which from now on is in the store.

    Raises `EnvironmentFailure` if the store does not create objects only once, or another run was
    begun meanwhile.
    """
    objects = ObjectFolder(output)
    data = (folder / "run.json").read_bytes()
    run = _number(orjson.loads(data))
    place = ObjectPlace(f"{output}{STATE}{run}")
    place.probe()
    if not objects.created(_RUN, data):
        there = _number(orjson.loads(objects.read(_RUN) or b"{}"))
        if there != run:
            raise _another(output, there, folder)
    place.share(folder)
    disk.make_folder(folder / PLACE.parent)
    disk.replace(folder / PLACE, place.name.encode())
    return place


def _withdraw(objects: ObjectFolder) -> None:
    """Remove the state of a run that is replaced; whoever still crawls for it is told to stop."""
    runs = [name for name in objects.names(STATE) if not name.endswith(".json")]
    objects.remove_all(STATE)
    for run in runs:
        objects.replace(f"{STATE}{run}/{WISH}", Wish.STOP_NOW.value.encode())


def _number(run: dict[str, dict[str, str]]) -> str:
    return run.get("begun", {}).get("run", "")


def _another(output: str, run: str, folder: Path) -> EnvironmentFailure:
    return EnvironmentFailure(
        f"{output}: run {run} is under way there, and {folder} is the state of another one; "
        "--state with an empty directory goes on with it, --overwrite starts over"
    )
