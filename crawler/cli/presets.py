"""Configuration files that come with the package: `--config polite` is `config/polite.toml`.

They are in the package in a wheel, and in `config/` in a checkout. A user's file of the same name
takes precedence.
"""

from __future__ import annotations

from pathlib import Path

UNLIMITED = "fast-local"
"""The preset that `--unlimited` stands for."""

_PACKAGE = Path(__file__).parent.parent
_FOLDERS = (_PACKAGE / "presets", _PACKAGE.parent / "config")


def located(name: str) -> Path:
    """Return the file for `name`: the file itself, or the preset of that name."""
    given = Path(name)
    if given.is_file() or given.name != name:
        return given
    return presets().get(name.removesuffix(".toml"), given)


def presets() -> dict[str, Path]:
    """Return the presets by name."""
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    files = sorted(folder.glob("*.toml")) if folder is not None else []
    return {file.stem: file for file in files}
