"""What a person installs for what the package alone does not do.

The distribution is not called as the package is: the name `crawler` on the public index belongs to
somebody else.
"""

from __future__ import annotations

DISTRIBUTION = "crawler-cli"


def install(extra: str) -> str:
    """Return the command that installs an extra of `pyproject.toml`, as mock or lexbor."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"
