"""`crawler compare --list`: every experiment with its question."""

from __future__ import annotations

from crawler.cli.layout import explained
from crawler.compare import catalogue


def show() -> None:
    """Print a line for each."""
    rows = [(e.name, "", e.question) for e in catalogue.every().values()]
    print("\n".join(explained(rows)))
