"""Make the README's pictures from real runs: `python -m tests.pictures [crawl|compare]`."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.browser import Browser

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
COMMAND = Path(sys.executable).with_name("crawler")
COLUMNS = 80


def crawl() -> None:
    """Draw a crawl of a mock web as the terminal shows it, without the progress that is redrawn."""
    with tempfile.TemporaryDirectory() as folder:
        said = "crawler crawl --mock 2000 --config fast-local -o crawl.jsonl"
        output = terminal([*said.split()[1:], "--progress", "none"], Path(folder))
    console = Console(width=COLUMNS, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(Text(f"$ {said}"))
    console.print(Text.from_ansi(output.strip()))
    picture = console.export_svg(title="crawler", unique_id="crawl")
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)  # loads nothing
    (IMAGES / "crawl.svg").write_text(picture, encoding="utf-8")


def terminal(arguments: list[str], folder: Path) -> str:
    """Return what a command writes to a terminal of 80 columns."""
    parent, child = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    with subprocess.Popen(
        [COMMAND, *arguments], stderr=child, stdout=child, cwd=folder, env=environment
    ):
        os.close(child)
        chunks = []
        try:
            while chunk := os.read(parent, 65_536):
                chunks.append(chunk)
        except OSError:  # the terminal's last writer is gone
            pass
    os.close(parent)
    return b"".join(chunks).decode().replace("\r\n", "\n")


def compare() -> None:
    """Photograph the top of a comparison's report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report = folder / "report"
        subprocess.run([COMMAND, "compare", "cpu", "--quick", "--report", report], check=True)
        page = (report / "report.html").read_text(encoding="utf-8")
        shot = Browser(folder).screenshot(page, 1_000, height=900)
        (IMAGES / "compare.png").write_bytes(shot.read_bytes())


def main(names: list[str]) -> None:
    """Make the pictures that are named, or all."""
    IMAGES.mkdir(exist_ok=True)
    makers = {"crawl": crawl, "compare": compare}
    for name in names or makers:
        makers[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
