"""Make the README's pictures from real runs: `python -m tests.pictures [crawl|killed|compare]`."""

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

from crawler.mock import MockWeb, running
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
    draw("crawl", [(said, output)])


def killed() -> None:
    """Draw a crawl that is killed, and continued by the same command."""
    with tempfile.TemporaryDirectory() as folder:
        draw("killed", killed_and_continued(Path(folder), pages=300, after=100))


def killed_and_continued(folder: Path, *, pages: int, after: int) -> list[tuple[str, str]]:
    """Crawl, kill with SIGKILL after some records, and crawl again; commands and their output."""
    said = "crawler crawl -i list.txt -o out.jsonl --allow-private"
    words = [*said.split()[1:], "--progress", "none"]
    shown: list[tuple[str, str]] = []
    with running(MockWeb(pages=pages, hosts=8)) as web:
        (folder / "list.txt").write_text("\n".join(web.urls()))
        (folder / "out.jsonl").touch()
        with (
            subprocess.Popen([COMMAND, *words], cwd=folder, stderr=subprocess.PIPE) as process,
            subprocess.Popen(
                ["tail", "-n", "+1", "-F", "out.jsonl"], cwd=folder, stdout=subprocess.PIPE
            ) as tail,
        ):
            assert tail.stdout is not None
            for _ in range(after):
                tail.stdout.readline()
            process.kill()
            tail.kill()
        shown += [(f"{said} &", ""), ("kill -9 %1", "")]
        for command, run in (("crawler status", ["status"]), (said, words)):
            shown.append((command, terminal(run, folder)))
    return shown


def draw(name: str, shown: list[tuple[str, str]]) -> None:
    """Draw commands and what the terminal has shown of them."""
    console = Console(width=COLUMNS, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    for command, output in shown:
        console.print(Text(f"$ {command}"))
        if output.strip():
            console.print(Text.from_ansi(output.strip()))
    picture = console.export_svg(title="crawler", unique_id=name)
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)  # loads nothing
    (IMAGES / f"{name}.svg").write_text(picture, encoding="utf-8")


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
    makers = {"crawl": crawl, "killed": killed, "compare": compare}
    for name in names or makers:
        makers[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
