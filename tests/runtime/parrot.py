"""A companion that repeats what it hears; a number is its exit code."""

from __future__ import annotations

import sys

from crawler.runtime.companion import ProcessLine


def main() -> None:
    """Repeat until the parent has gone."""
    parent = ProcessLine.to_parent()
    while (heard := parent.hear()) is not None:
        if isinstance(heard, int):
            sys.exit(heard)
        parent.tell(heard)


if __name__ == "__main__":
    main()
