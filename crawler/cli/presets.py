"""Configuration files that come with the package: `--config polite` is `config/polite.toml`.

In a wheel they lie in the package, in a checkout in its folder `config/`. A file of the user's that
is called the same goes before.
"""

from __future__ import annotations

from pathlib import Path

UNLIMITED = "fast-local"
"""The preset that `--unlimited` stands for."""

_PACKAGE = Path(__file__).parent.parent
_FOLDERS = (_PACKAGE / "presets", _PACKAGE.parent / "config")


def located(name: str) -> Path:
    """Return the file that `name` means: itself, or a preset's if it is called like one."""
    given = Path(name)
    if given.is_file() or given.name != name:
        return given
    return presets().get(name.removesuffix(".toml"), given)


def presets() -> dict[str, Path]:
    """Return the presets by name."""
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    files = sorted(folder.glob("*.toml")) if folder is not None else []
    return {file.stem: file for file in files}
