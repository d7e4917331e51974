"""A run in rounds, from the command line's order: what it needs, and the plan for its workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from crawler.engine.partition_plan import CrawlPlan
from crawler.engine.round_state import RUN, RunPlan, encoded, exchanges, stored_at
from crawler.engine.rounds import RoundsCrawl, RoundsOrder, Workers
from crawler.engine.rounds_in_store import place_in_store
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError
from crawler.model.version import VERSION
from crawler.store.claim import is_file
from crawler.store.forms import OutputTarget
from crawler.store.object_store import is_object
from crawler.store.remote_input import is_remote
from crawler.store.round_place import RoundPlace, SharedFolder
from crawler.store.run_folder import ROUNDS, RunFolder

_ALONE = "crawl on one machine, as with --workers"
_REFUSED = {
    "accept_change": "--overwrite starts over",
    **dict.fromkeys(("audit", "cdxj", "repeats", "save", "since"), _ALONE),
    "login": "log in before, and give --cookies FILE",
    "otlp": "use --metrics or --log",
}
"""Options whose files one process alone can write or read, and traces, which rounds would tear; and
what to do instead."""
_AS_WELL = ("cookies", "credentials", "debug", "limit")
"""Options of one run that every worker needs, too."""
_FILES = ("cache", "cookies", "credentials")
"""Options that name files, which are meant as this process sees them, wherever a worker runs."""


def check_rounds(config: CommandConfig, targets: Sequence[OutputTarget], *, lasting: bool) -> None:
    """Raise `ConfigurationError` for an order that a cluster cannot carry out."""
    if len(targets) > 1 or not targets[0].directory or not lasting:
        raise ConfigurationError(
            "cluster: the output has to be one directory that all machines share, as in -o out/, "
            "or one in an object store, and its state is kept"
        )
    defaults = CommandConfig().values()
    values = config.values()
    for name, instead in _REFUSED.items():
        if values[name] != defaults[name]:
            raise ConfigurationError(f"{name}: cannot be used with --cluster; {instead}")
    if config.workers.number != 1:
        raise ConfigurationError("workers: --cluster says how many there are; leave --workers out")
    _check_secrets(config, os.environ)


def _check_secrets(config: CommandConfig, environment: Mapping[str, str]) -> None:
    """Refuse secrets that workers would not get: they do not travel in the arguments of tasks."""
    values, own = config.values(), config.secrets_of(environment)
    for name, spec in config.options().items():
        if not spec.shown and values[name] != spec.default and name not in own:
            raise ConfigurationError(
                f"{name}: may hold secrets, which are not sent to a cluster; set "
                f"CRAWLER_{name.upper()} where the workers are started, and here"
            )


def rounds_of(
    plan: CrawlPlan,
    config: CommandConfig,
    workers: Workers,
    announce: Callable[[str], None],
    sizes: Mapping[int, int] | None = None,
) -> RoundsCrawl:
    """Return the rounds of a run, begun or gone on with. Raises `ConfigurationError`, `OSError`.

    sizes: the entries of each partition, as far as they are known; the largest go first.
    """
    place: RoundPlace
    if is_object(plan.output):
        place = place_in_store(plan.output, Path(plan.state))
    else:
        place = SharedFolder(os.path.join(plan.state, ROUNDS))
    run = RunPlan(
        version=VERSION,
        options=_travelling(config),
        seeds=plan.seeds,
        inputs=tuple(map(_everywhere, plan.inputs)),
        output=plan.output,
        parts=plan.parts,
        partitions=plan.partitions,
        sites=plan.sites,
    )
    _agree(place, run)
    return RoundsCrawl(
        place,
        workers,
        RoundsOrder(
            partitions=plan.partitions,
            state=Path(plan.state),
            targets=plan.parts,
            seconds=config.round,
            lease=config.lease,
            drain=config.drain_timeout,
            max_time=config.max_time,
            concurrency=max(1, config.concurrency // plan.running),
            sizes=sizes or {},
            exchanging=exchanges(place, config.values()),
        ),
        announce,
    )


def partitions_wanted(folder: RunFolder, config: CommandConfig, workers: Workers) -> int:
    """Return the number of partitions. Raises `ConfigurationError` if it is another than before."""
    begun = 0 if config.existing == "replace" else folder.partitions
    if begun and config.partitions not in (0, begun):
        raise ConfigurationError(
            f"partitions: {folder.output} was begun with {begun}, which stay as many; "
            "--overwrite starts over"
        )
    return begun or config.partitions or 4 * workers.slots


def _agree(place: RoundPlace, run: RunPlan) -> None:
    """Write the run down, or see that it is the one that was begun."""
    if place.create(RUN, encoded(run)):
        return
    begun = stored_at(place, RUN, RunPlan)
    if begun is not None and begun.version != run.version:
        raise ConfigurationError(
            f"{run.output}: was begun with crawler {begun.version}, and this is {run.version}; "
            "go on with that one, or --overwrite starts over"
        )


def _travelling(config: CommandConfig) -> dict[str, Any]:
    values = config.values()
    files = {name: os.path.abspath(values[name]) for name in _FILES if values[name]}
    return config.given() | {name: values[name] for name in _AS_WELL} | files


def _everywhere(name: str) -> str:
    """Return the name of a list as other processes have to know it."""
    plain = name != "-" and not is_remote(name) and is_file(name)
    return os.path.abspath(name) if plain else name
