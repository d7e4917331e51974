"""`crawler mock set`: change a running mock web."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from crawler.cli.mock.mock_web import MOCK
from crawler.cli.mock.remote import change
from crawler.model.errors import ConfigurationError, ExitCode
from crawler.model.option import Option, OptionError, closest

USAGE = "Usage: crawler mock set URL OPTION=VALUE..."
HELP = "Change options of a running mock web, in all its processes at once."

_SPOKEN = {"true": True, "on": True, "false": False, "off": False}


def set_options(
    url: Annotated[str, Parameter(name="URL", help="The mock web.")],
    /,
    *values: Annotated[
        str,
        Parameter(
            name="OPTION=VALUE",
            help="As in a scenario; a list is given item by item.",
            allow_leading_hyphen=True,
        ),
    ],
) -> int:
    """PUT the options; `HELP` is the help text."""
    if not values:
        raise ConfigurationError("nothing to set: give OPTION=VALUE, as in latency=0.5")
    change(url, settings(values))
    return ExitCode.FINISHED


def settings(words: Sequence[str]) -> dict[str, object]:
    """Return `["latency=0.5", "robots=A", "robots=B"]` as options with values for JSON.

    Raises ConfigurationError for an unknown option or an invalid value.
    """
    found: dict[str, list[str]] = {}
    for word in words:
        name, sign, text = word.partition("=")
        if not sign:
            raise ConfigurationError(f"{word!r} sets nothing; write OPTION=VALUE")
        found.setdefault(name.lstrip("-").replace("-", "_"), []).append(text)
    return {name: _value(name, texts) for name, texts in found.items()}


def _value(name: str, texts: list[str]) -> object:
    known = MOCK.options
    if name not in known:
        raise ConfigurationError(f"{name}: no such option{closest(name, known)}")
    try:
        checked = known[name].check(_read(known[name], texts))
    except OptionError as error:
        raise ConfigurationError(str(error)) from error
    plain = isinstance(checked, bool | int | float | str | tuple)
    return checked if plain else str(checked)


def _read(spec: Option, texts: list[str]) -> object:
    """Return the last text in the option's type; for a list, every text that is not empty."""
    if spec.type == tuple[str, ...]:
        return [text for text in texts if text]
    if spec.type is bool:
        return _SPOKEN.get(texts[-1].lower(), texts[-1])
    return texts[-1]
