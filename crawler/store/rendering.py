"""What a record becomes in an output, by its format and the options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from crawler.model.choices import Existing
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError
from crawler.model.outcome import Final
from crawler.model.value import value
from crawler.store.chosen import Chosen, whole
from crawler.store.columns import CsvLine, FlatLine
from crawler.store.forms import OutputForm, OutputTarget, takes_format, target
from crawler.store.naming import LINES
from crawler.store.outlet import Head, Outlet, no_head
from crawler.store.record import encode
from crawler.store.warc_output import WarcRecords

Encoder = Callable[[Final], bytes]
"""Makes the bytes of a record."""


@value(frozen=True, slots=True, kw_only=True)
class Rendering:
    """`encode` turns an outcome into bytes; `head` makes what comes first in a file."""

    encode: Encoder = encode
    head: Head = no_head


def rendering(form: OutputForm, config: CommandConfig) -> Rendering:
    """Return how records are written in a format.

    Raises `ConfigurationError` for an unknown name in `fields`.
    """
    names = config.fields
    chosen = Chosen(names) if names else None
    if form.name == "csv":
        line = CsvLine(names, config.csv_links)
        return Rendering(encode=partial(_row, line, names), head=lambda _name: line.head)
    if form.name == "warc":
        records = WarcRecords(config)
        return Rendering(encode=records, head=records.head)
    if config.flat and not form.nested:
        return Rendering(encode=partial(_row, FlatLine(names), names))
    return Rendering(encode=chosen) if chosen is not None else Rendering()


@value(frozen=True, slots=True, kw_only=True)
class OpenedOutputs:
    """Outputs that are written as the crawl goes, and what makes their records."""

    outlets: tuple[Outlet, ...]
    encoders: tuple[Encoder, ...]

    def close(self) -> None:
        """Close the outputs. Raises `OSError`."""
        with ExitStack() as stack:
            for outlet in self.outlets:
                stack.callback(outlet.close)


def targets_of(names: Sequence[str], config: CommandConfig) -> list[OutputTarget]:
    """Return the outputs of these names. Raises `ConfigurationError`."""
    only = not any(map(takes_format, names))
    targets = [target(name, config.format, only=only) for name in names]
    for each in targets:
        if each.remote and config.state in ("", "none"):
            raise ConfigurationError(
                f"{each.name}: needs --state DIR, where its records lie until the crawl has ended"
            )
    return targets


def open_outputs(
    targets: Sequence[OutputTarget],
    config: CommandConfig,
    existing: Existing,
    *,
    apart: bool = False,
    resumed: bool = False,
) -> OpenedOutputs:
    """Open outputs; the arguments are those of `Outlet`."""
    outlets: list[Outlet] = []
    encoders: list[Encoder] = []
    with ExitStack() as stack:
        for each in targets:
            made = rendering(each.form, config)
            head = made.head if each.headed else no_head
            most = config.warc_size if each.rolling else 0
            forms = LINES if each.form.name == "jsonl" else (f".{each.form.name}",)
            outlet = Outlet(
                each.path,
                existing,
                apart=apart,
                resumed=resumed,
                head=head,
                forms=forms,
                ending=each.form.suffix if each.streamed else "",
                most=most,
            )
            stack.callback(outlet.close)
            outlets.append(outlet)
            encoders.append(made.encode)
        stack.pop_all()
    return OpenedOutputs(outlets=tuple(outlets), encoders=tuple(encoders))


def _row(line: Callable[[Mapping[str, Any]], bytes], names: tuple[str, ...], final: Final) -> bytes:
    return line(whole(final, {name.partition(".")[0] for name in names}))
