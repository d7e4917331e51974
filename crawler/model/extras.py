"""Commands that install the package's extras.

The distribution's name differs from the package's: `crawler` on the public index belongs to
somebody else.
"""

from __future__ import annotations

DISTRIBUTION = "crawler-cli"


def install(extra: str) -> str:
    """Return the command that installs an extra of `pyproject.toml`, such as mock or lexbor."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"
