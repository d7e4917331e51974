"""Help within two screens: the common options of a command, or all of them with `--help-all`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, get_args

from cyclopts import App
from cyclopts.help import DefaultFormatter, HelpPanel

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

UNCOMMON = "uncommon"
"""Marks, in its annotation, a parameter that `--help` leaves out."""

EVERYTHING = "--help-all"
HELP_FLAGS = ("--help", "-h", EVERYTHING)
VERSION_FLAGS = ("--version", "-V")


class CommonOptions(DefaultFormatter):
    """The help library's formatter, without the options of some names."""

    def __init__(self, left_out: Collection[str]) -> None:
        super().__init__()
        self._left_out = frozenset(left_out)

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print a panel's common entries, or nothing if it has none."""
        common = [entry for entry in panel.entries if self._left_out.isdisjoint(entry.names)]
        super().__call__(console, options, panel.copy(entries=common))

    def render_description(self, console: Console, options: ConsoleOptions, text: Any) -> None:
        """Print what the command does, and how to see the other options."""
        super().render_description(console, options, text)
        console.print(f"Common options; {EVERYTHING} shows {len(self._left_out)} more.\n")


def shorten(app: App, words: Sequence[str]) -> None:
    """Make the help of the command in `words` leave out what is not common."""
    if EVERYTHING in words or not set(HELP_FLAGS) & set(words):
        return
    _, apps, _ = app.parse_commands([word for word in words if word not in HELP_FLAGS])
    if left_out := set(_uncommon(apps[-1])):
        app.help_formatter = CommonOptions(left_out)


def _uncommon(command: App) -> Iterator[str]:
    if command.default_command is not None:
        for argument in command.assemble_argument_collection():
            if argument.show and UNCOMMON in get_args(argument.field_info.annotation):
                yield argument.name
