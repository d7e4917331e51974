"""Flags, environment variables and a Markdown table from the fields of a configuration class.

A flag's name, type, range, help and default are the field's. What is not given is left out of the
result, so that the file, the environment and the flags can be merged over the defaults (the
command-line library merges the last two).
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

from cyclopts import Group, Parameter, Token

from crawler.cli.help_text import UNCOMMON
from crawler.cli.spelling import Spelling
from crawler.model.option import Option, OptionError
from crawler.model.units import Unit

Command = Callable[..., int]

_LONGEST_DEFAULT = 40


def lists(group: Group) -> Parameter:
    """Return the flag for lists of URLs."""
    return Parameter(
        name=["--input", "-i"],
        help="List of URLs, packed or not; - for stdin; sqlite:FILE?QUERY; repeatable.",
        group=group,
        metavar="FILE",
        negative="",
        allow_leading_hyphen=True,
        consume_multiple=False,
        show_default=False,
    )


def config_file(spelling: Spelling[Any], group: Group, more: str = "") -> Parameter:
    """Return the flag for a configuration file."""
    return Parameter(help=f"TOML file with [{spelling.table}]{more}.", group=group, metavar="FILE")


def switch(help: str, group: Group | None = None, *names: str) -> Parameter:
    """Return a flag that is off by default."""
    return Parameter(name=names or None, help=help, group=group, negative="", show_default=False)


def quantity(unit: Unit, *, whole: bool = False) -> Callable[[Any, Sequence[Token]], float]:
    """Return a converter for a flag outside of a configuration: its text, in a unit."""

    def convert(_: Any, tokens: Sequence[Token]) -> float:
        text = tokens[-1].value
        return unit.whole(text) if whole else float(unit.read(text))

    return convert


class CommandWithOptions:
    """A command whose signature has every option as a keyword, in place of `**options`.

    show: whether the command's help lists them. The signature is made when it is asked for, as the
    library needs a millisecond for each option, and kept: `narrow` leaves out the options that no
    word and no variable sets, and `widen` brings them back, for help and for errors.
    """

    def __init__(self, command: Command, spelling: Spelling[Any], *, show: bool) -> None:
        self.__name__, self.__doc__ = command.__name__, command.__doc__
        self.__module__ = command.__module__
        self.__annotations__ = {}  # the signature has them
        self._command = command
        self._spelling, self._show = spelling, show
        self._names: Collection[str] = spelling.options.keys()
        self._signature: inspect.Signature | None = None

    def __call__(self, *seeds: Any, **options: Any) -> int:
        """Run the command and return its exit code."""
        return self._command(*seeds, **options)

    def narrow(self, words: Sequence[str]) -> None:
        """Leave out the options that neither these words nor the environment can set."""
        flags = {word.partition("=")[0] for word in words}
        self._have(
            {
                name
                for name, spec in self._spelling.options.items()
                if spec.short  # may be one letter of several
                or not flags.isdisjoint((spec.flag, spec.negative))
                or self._spelling.variable(name) in os.environ
            }
        )

    def widen(self) -> None:
        """Have every option again."""
        self._have(self._spelling.options.keys())

    def _have(self, names: Collection[str]) -> None:
        if names != self._names:
            self._names, self._signature = names, None

    @property
    def __signature__(self) -> inspect.Signature:
        if self._signature is None:
            self._signature = self._made()
        return self._signature

    def _made(self) -> inspect.Signature:
        signature = inspect.signature(self._command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        options = self._spelling.options
        given = [options[name] for name in options if name in self._names]
        derived = [_keyword(self._spelling, spec, self._show) for spec in given]
        return signature.replace(parameters=[*own, *derived])


def with_options(
    spelling: Spelling[Any], *, show: bool = True
) -> Callable[[Command], CommandWithOptions]:
    """Give a command every option of a configuration class."""
    return partial(CommandWithOptions, spelling=spelling, show=show)


def table(spelling: Spelling[Any]) -> str:
    """Return every option as a Markdown table: flag, values, default, help."""
    rows = [_row(spelling, spec) for spec in spelling.options.values()]
    return "\n".join(["| option | values | default | |", "|---|---|---|---|", *rows]) + "\n"


def _keyword(spelling: Spelling[Any], spec: Option, show: bool) -> inspect.Parameter:
    # A class of ours reads itself from text; the library would ask for its fields.
    wanted: Any = spec.type if spec.choices or spec.type in _METAVARS else str
    parameter = _parameter(spelling, spec, show)
    annotation = Annotated[wanted | None, parameter, "" if spec.common else UNCOMMON]
    return inspect.Parameter(
        spec.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _parameter(spelling: Spelling[Any], spec: Option, show: bool) -> Parameter:
    default = spelling.default(spec)
    shown = spelling.written(spec, default) and _shortened(_shown(default))
    return Parameter(
        name=[spec.flag, *([spec.short] if spec.short else [])],
        help=spec.help,
        group=spelling.group(spec.section),
        converter=None if spec.type is bool else _converter(spelling, spec),
        env_var=spelling.variable(spec.name),
        env_var_split=_lines if spec.type == tuple[str, ...] else _whole,
        show_env_var=False,
        show_default=shown or False,
        show=show,
        metavar=_metavar(spec),
        show_choices=False,
        negative=spec.negative if default is True else "",
        allow_repeating=True,
        allow_leading_hyphen=spec.type is not bool,
        consume_multiple=False,
    )


_METAVARS: Mapping[Any, str] = {
    int: "N",
    float: "N",
    str: "TEXT",
    bool: "",
    tuple[str, ...]: "TEXT",
}


def _metavar(spec: Option) -> str:
    unit = spec.unit.metavar if spec.unit else None
    return spec.metavar or unit or _METAVARS.get(spec.type, "|".join(spec.choices))


def _converter(spelling: Spelling[Any], spec: Option) -> Callable[[Any, Sequence[Token]], Any]:
    def convert(_: Any, tokens: Sequence[Token]) -> Any:
        try:
            return spelling.read(spec, [token.value for token in tokens])
        except OptionError as error:
            raise ValueError(error.problem) from error

    return convert


def _lines(_hint: Any, text: str, delimiter: str | None = None) -> list[str]:
    return text.splitlines()


def _whole(_hint: Any, text: str, delimiter: str | None = None) -> list[str]:
    """Return the variable's text; an empty one sets nothing."""
    return [text] if text else []


def _shown(default: Any) -> str:
    """Return a default for a person; empty if it is off or empty."""
    if isinstance(default, bool):
        return "on" if default else ""
    if isinstance(default, tuple):
        return "; ".join(default)
    return f"{default:g}" if isinstance(default, float) else str(default)


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST_DEFAULT:
        return text
    return text[:_LONGEST_DEFAULT].rpartition("; ")[0] + "; ..."


def _row(spelling: Spelling[Any], spec: Option) -> str:
    names = f"`{spec.flag}`" + (f", `{spec.short}`" if spec.short else "")
    values = ", ".join(f"`{choice}`" for choice in spec.choices) or spec.range
    default = spelling.default(spec)
    shown = _shown(default) if spelling.written(spec, default) else ""
    return f"| {names} | {values} | {f'`{shown}`' if shown else ''} | {spec.help} |"
