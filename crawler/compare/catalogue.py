"""All experiments, in the order in which they are run and shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module

from crawler.compare.experiment import Experiment
from crawler.model.errors import ConfigurationError
from crawler.model.option import closest

NAMES = (
    "noise",
    "cpu",
    "io",
    "gil-release",
    "crawl",
    "race",
    "break-even",
    "start-up",
    "swap",
    "scale",
    "convoy",
    "robust",
)
"""`noise` comes first: what the others find is held against it."""

ANSWER = "answer"
"""What `crawler compare` alone does: half a minute, and nothing that is held against a noise."""

CALL = "call"
"""What `crawler compare call` does, to a function of the user's."""

DEMO = "demo"
"""What a lecture wants to show; it compares nothing."""

_OWN_COMMANDS = (ANSWER, CALL, DEMO)
"""Those that are neither among all nor measured after the noise."""


def every() -> Mapping[str, Experiment]:
    """Return each experiment by name."""
    return {name: load(name) for name in NAMES}


def load(name: str) -> Experiment:
    """Return one experiment; its module is imported when it is asked for.

    Raises `ConfigurationError` for an unknown name: a file of results may have any.
    """
    check([name])
    module = import_module(f"crawler.compare.experiments.{name.replace('-', '_')}")
    experiment: Experiment = module.EXPERIMENT
    return experiment


def chosen(names: Sequence[str]) -> list[Experiment]:
    """Return those of these names in the catalogue's order, `noise` before them.

    Raises `ConfigurationError` for an unknown name.
    """
    check(names)
    if len(names) == 1 and names[0] in _OWN_COMMANDS:
        return [load(names[0])]
    return [load(name) for name in NAMES if name in {"noise", *names}]


def check(names: Sequence[str]) -> None:
    """Raise `ConfigurationError` for the first unknown name."""
    for name in names:
        if name not in (*NAMES, *_OWN_COMMANDS):
            near = closest(name, [known.replace("-", "_") for known in NAMES]).replace("_", "-")
            raise ConfigurationError(
                f"{name!r} is not an experiment{near or '; --list shows them all'}"
            )
