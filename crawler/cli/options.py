"""Flags, environment variables and a Markdown table from the fields of `CrawlConfig`.

Nothing is spelled twice: a flag's name, type, range, help and default are the field's. What is not
given stays away from the result, so that three layers can be laid over the defaults: a file, the
environment, the flags (the last two are merged by the command-line library).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Group, Parameter, Token

from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError
from crawler.model.option import Option, OptionError

Command = Callable[..., int]


def with_options(command: Command) -> Command:
    """Put every crawl option as a keyword into the signature, in place of `**options`."""
    signature = inspect.signature(command, eval_str=True)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    derived = [_keyword(spec) for spec in CrawlConfig.options().values()]
    full = signature.replace(parameters=[*own, *derived])
    vars(command)["__signature__"] = full
    command.__annotations__ = {name: p.annotation for name, p in full.parameters.items()}
    return command


def resolve(file: Mapping[str, object], given: Mapping[str, object], source: str) -> CrawlConfig:
    """Defaults, under `file` (read from `source`), under what flags and environment gave."""
    try:
        return CrawlConfig.of({**file, **given})
    except OptionError as error:
        place = source if error.option in file and error.option not in given else ""
        raise ConfigurationError(f"{_place(error.option, place)}: {error.problem}") from error


def table() -> str:
    """Every option as a Markdown table: flag, values, default, help."""
    rows = [_row(spec) for spec in CrawlConfig.options().values()]
    return "\n".join(["| option | values | default | |", "|---|---|---|---|", *rows]) + "\n"


def _place(option: str, source: str) -> str:
    return f"{source}: {option}" if source else CrawlConfig.options()[option].flag


def _keyword(spec: Option) -> inspect.Parameter:
    wanted: Any = spec.type | None
    annotation = Annotated[wanted, _parameter(spec)]
    return inspect.Parameter(
        spec.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _parameter(spec: Option) -> Parameter:
    return Parameter(
        name=[spec.flag, *([spec.short] if spec.short else [])],
        help=spec.help,
        group=group(spec.section),
        converter=None if spec.type is bool else _converter(spec),
        env_var=spec.variable,
        env_var_split=_lines if spec.type == tuple[str, ...] else _whole,
        show_env_var=False,
        show_default=_shown_default(spec),
        metavar=spec.metavar or _METAVARS.get(spec.type, "|".join(spec.choices)),
        show_choices=False,
        negative="",
        allow_repeating=True,
        allow_leading_hyphen=spec.type is not bool,
        consume_multiple=False,
    )


_METAVARS: Mapping[Any, str] = {int: "N", float: "S", str: "TEXT", bool: ""}


def group(section: str) -> Group:
    """The help's group for a section; what is put in comes before the rest, as it is used first."""
    sections = ["Input", "Output", *(spec.section for spec in CrawlConfig.options().values())]
    return Group(section, sort_key=sections.index(section))


def _converter(spec: Option) -> Callable[[Any, Sequence[Token]], Any]:
    def convert(_: Any, tokens: Sequence[Token]) -> Any:
        texts = [token.value for token in tokens]
        value = texts if spec.type == tuple[str, ...] else _read(spec, texts[-1])
        try:
            return spec.check(value)
        except OptionError as error:
            raise ValueError(error.problem) from error

    return convert


def _read(spec: Option, text: str) -> object:
    """`text` as a number where one is wanted; what is none stays text, for `check` to refuse."""
    try:
        return spec.type(text) if spec.type in (int, float) else text
    except ValueError:
        return text


def _lines(_hint: Any, text: str, delimiter: str | None = None) -> list[str]:
    """A variable that holds a list has one item a line."""
    return text.splitlines()


def _whole(_hint: Any, text: str, delimiter: str | None = None) -> list[str]:
    """A variable that is set to nothing sets nothing."""
    return [text] if text else []


def _shown_default(spec: Option) -> str | bool:
    if spec.type is bool or spec.default in ("", ()):
        return False
    return f"{spec.default:g}" if spec.type is float else str(spec.default)


def _row(spec: Option) -> str:
    names = f"`{spec.flag}`" + (f", `{spec.short}`" if spec.short else "")
    values = ", ".join(f"`{choice}`" for choice in spec.choices) or spec.range
    default = f"`{_shown_default(spec)}`" if _shown_default(spec) else ""
    return f"| {names} | {values} | {default} | {spec.help} |"
