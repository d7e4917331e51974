"""One option of a configuration class: its type, range and check.

An option is a dataclass field made by `option`. Its annotation gives the type (`bool`, `int`,
`float`, `str`, a `Literal` of strings, `tuple[str, ...]`, or a class with `read`), its metadata the
range, the unit and the help. A number may be text in its unit: `"30s"`, `"10MB"`, `"10k"`.
`Options` gives a class's fields as `Option` values, from which flags, TOML keys, environment
variables and tables derive. A field made by `group` holds the options of another class, which count
as the class's own. Annotations are resolved when first needed, not on import.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, field, fields
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal, Self, cast, get_args, get_origin, get_type_hints

from crawler.model.errors import ConfigurationError
from crawler.model.units import COUNT, NUMBER, Unit
from crawler.model.value import value


class OptionError(ConfigurationError):
    """An invalid value: `option` names the option, `problem` says what is wrong."""

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"{option}: {problem}")
        self.option = option
        self.problem = problem


def option(section: str, default: Any, help: str, **properties: Any) -> Any:
    """Return a field for an option; `properties` are further fields of `Option`.

    A range (`least`, `most`) is inclusive. Without a unit, integers are counts (`10k`) and floats
    plain numbers. `--help` lists the `common` options, `--help-all` every one. With `shown=False`
    the value may hold credentials: `repr` and errors hide it.
    """
    metadata = {"section": section, "help": help, **properties}
    return field(default=default, repr=properties.get("shown", True), metadata=metadata)


def group(config: type[Options]) -> Any:
    """Return a field of `GroupedOptions` that holds the options of `config`."""
    return field(default=config(), metadata={"group": config})


@value(frozen=True, slots=True, kw_only=True)
class Option:
    """One option, read from its field. `type` is the resolved annotation."""

    name: str
    type: Any
    default: Any
    section: str
    help: str
    least: float | None = None
    most: float | None = None
    unit: Unit | None = None
    metavar: str | None = None
    short: str | None = None
    common: bool = False
    shown: bool = True

    @property
    def flag(self) -> str:
        """The flag on the command line: `--per-host`."""
        return "--" + self.name.replace("_", "-")

    @property
    def negative(self) -> str:
        """The flag that turns a switch off: `--no-adapt`."""
        return f"--no-{self.flag[2:]}"

    @property
    def choices(self) -> tuple[str, ...]:
        """The values of a `Literal`; empty for other types."""
        return get_args(self.type) if get_origin(self.type) is Literal else ()

    @property
    def range(self) -> str:
        """The range in words: `1 to 100000`, `at least 0`, or ""."""
        if self.least is None:
            return ""
        return f"at least {self.least}" if self.most is None else f"{self.least} to {self.most}"

    def check(self, value: object) -> Any:
        """Return `value` in the option's type; raises `OptionError` if it is invalid."""
        if self.choices:
            return _choice(self, value)
        return _CHECKS.get(self.type, _made)(self, value)

    def fail(self, problem: str) -> OptionError:
        """Return the error to raise for a value with `problem`."""
        return OptionError(self.name, problem)


def _choice(spec: Option, value: object) -> object:
    if value not in spec.choices:
        meant = closest(value, spec.choices) if isinstance(value, str) else ""
        raise spec.fail(f"{value!r} is not one of {', '.join(spec.choices)}{meant}")
    return value


def _boolean(spec: Option, value: object) -> bool:
    if not isinstance(value, bool):
        raise spec.fail(f"{value!r} is neither true nor false")
    return value


def _number(spec: Option, value: object) -> float:
    """Return a number of the option's type, which is `int` or `float`."""
    whole = spec.type is int
    if isinstance(value, str):
        unit = spec.unit or (COUNT if whole else NUMBER)
        try:
            value = unit.whole(value) if whole else float(unit.read(value))
        except ValueError as error:
            raise spec.fail(str(error)) from error
    kind = "a whole number" if whole else "a number"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise spec.fail(f"{value!r} is not {kind}")
    _check_range(spec, value)  # first: an integer may be too large for a float
    if not whole and math.isnan(value):
        raise spec.fail(f"{value!r} is not {kind}")
    return value if whole else float(value)


def _check_range(spec: Option, value: float) -> None:
    if spec.least is not None and value < spec.least:
        raise spec.fail(f"{_brief(value)} is too small; the minimum is {spec.least}")
    if spec.most is not None and value > spec.most:
        raise spec.fail(f"{_brief(value)} is too large; the maximum is {spec.most}")


def _brief(value: float) -> str:
    """Return `value`, or its size: Python refuses to print an integer of 4,301 digits."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a number of {value.bit_length()} bits"
    return str(value) if isinstance(value, int) else f"{value:.15g}"


def _text(spec: Option, value: object) -> str:
    if not isinstance(value, str):
        raise spec.fail(f"{value!r} is not a string")
    if any(c in value for c in "\r\n\0"):
        raise spec.fail(f"{repr(value) if spec.shown else 'the text'} holds a line break or NUL")
    return value


def _texts(spec: Option, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise spec.fail(f"{value!r} is not a list of strings")
    return tuple(_text(spec, item) for item in value)


def _made(spec: Option, value: object) -> Any:
    """Make a value of another class by its `read`, which raises ValueError for invalid text."""
    try:
        return spec.type.read(value) if spec.unit is None else spec.type.read(value, spec.unit)
    except ValueError as error:
        raise spec.fail(str(error)) from error


_CHECKS: Mapping[Any, Callable[[Option, object], Any]] = {
    bool: _boolean,
    int: _number,
    float: _number,
    str: _text,
    tuple[str, ...]: _texts,
}


class Options:
    """Base of the configuration classes: frozen dataclasses whose fields `option` makes.

    A value that exists is legal: a class calls `settle` first thing in its `__post_init__`.
    """

    __slots__ = ()

    @classmethod
    def options(cls) -> Mapping[str, Option]:
        """Return every option by name, in the order of the fields."""
        known: Any = cls  # to mypy, a class of frozen dataclasses cannot be a key
        return _options_of(known)

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """Make options from names and values; raises `OptionError` for an invalid one."""
        cls.check_names(values)
        return cls(**values)

    @classmethod
    def check_names(cls, names: Iterable[str]) -> None:
        """Raise `OptionError` for the first name that is not an option's."""
        known = cls.options()
        for name in names:
            if name not in known:
                raise OptionError(name, f"no such option{closest(name, known)}")

    def values(self) -> dict[str, Any]:
        """Return every option's value by name."""
        return {name: getattr(self, name) for name in self.options()}

    def updated(self, values: Mapping[str, object]) -> Self:
        """Return a copy with `values` replaced; raises `OptionError` as `of` does."""
        return type(self).of({**self.values(), **values}) if values else self

    def settle(self) -> None:
        """Convert every field to its type and check its range; raises `OptionError`."""
        for spec in fields(cast("Any", self)):
            if "group" not in spec.metadata:
                checked = self.options()[spec.name].check(getattr(self, spec.name))
                object.__setattr__(self, spec.name, checked)


class GroupedOptions(Options):
    """Base of a class with groups: `fill` takes a group, or the options in it by their names."""

    __slots__ = ()

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """Make options from names and values; a group's name may stand for it or a mapping."""
        return cls(**values)

    def __repr__(self) -> str:
        """Return the options that differ from their defaults; no secrets."""
        specs, values = self.options(), self.values().items()
        changed = [f"{n}={v!r}" for n, v in values if specs[n].shown and v != specs[n].default]
        return f"{type(self).__name__}({', '.join(changed)})"

    def fill(self, values: Mapping[str, object]) -> None:
        """Set every field from `values` or its default; raises `OptionError`."""
        left = dict(values)
        for spec in fields(cast("Any", self)):
            value = left.pop(spec.name, spec.default)
            if kind := spec.metadata.get("group"):
                own = {name: left.pop(name) for name in kind.options() if name in left}
                value = _group(spec.name, kind, value).updated(own)
            object.__setattr__(self, spec.name, value)
        self.check_names(left)

    def values(self) -> dict[str, Any]:
        """Return every option's value by name, without the groups."""
        found: dict[str, Any] = {}
        for spec in fields(cast("Any", self)):
            value = getattr(self, spec.name)
            found |= value.values() if "group" in spec.metadata else {spec.name: value}
        return found


def _group(name: str, kind: type[Options], value: object) -> Options:
    if isinstance(value, Mapping):
        return kind.of(value)
    if not isinstance(value, kind):
        found = type(value).__name__
        raise OptionError(name, f"expected a {kind.__name__} or a mapping, got {found}")
    return value


@cache
def _options_of(config: Any) -> Mapping[str, Option]:
    hints = get_type_hints(config)
    found: dict[str, Option] = {}
    for spec in fields(config):
        kind = spec.metadata.get("group")
        found |= kind.options() if kind else {spec.name: _read(spec, hints[spec.name])}
    return found


def closest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean per_host?` for a name close to a known one, else ""."""
    near = get_close_matches(name.lower().replace("-", "_"), known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _read(spec: Field[Any], annotation: Any) -> Option:
    return Option(name=spec.name, type=annotation, default=spec.default, **spec.metadata)
