"""The live view of a load: a picture on a terminal, nothing elsewhere.

It is drawn once a second by the generator itself, whose loop waits for it meanwhile. So it is plain
text in one piece: styles for each of its parts would take several times as long.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from crawler.cli.load.picture import Picture
from crawler.cli.terminal import in_background
from crawler.load.load_config import LoadConfig
from crawler.load.measured import Measured

Watch = Callable[[Measured], None]


@contextmanager
def watching(config: LoadConfig, *, quiet: bool) -> Iterator[Watch | None]:
    """Give the function to call each second; None without a viewer. Clear the picture last."""
    console = Console(stderr=True)
    if quiet or not sys.stderr.isatty() or console.is_dumb_terminal:
        yield None
        return
    picture = Picture(config)
    with Live(
        Text("starting"), console=console, auto_refresh=False, transient=True,
        redirect_stdout=False, redirect_stderr=False,
    ) as live:  # fmt: skip

        def watch(measured: Measured) -> None:
            if not in_background():
                live.update(_text(picture, measured), refresh=True)

        yield watch


def _text(picture: Picture, measured: Measured) -> Text:
    style = "red" if measured.errors else "green"
    lines = list(picture.lines(measured))
    text = Text("\n".join(lines), no_wrap=True, overflow="crop")
    text.stylize(style, 0, len(lines[0]))
    return text
