"""Configuration files: TOML with one table (`[crawl]`, `[mock]`), whose keys are the options.

`tomllib` does not report the line of a key. To find it, `tomllib` is asked again: it is the last
line that names the key while the lines above are valid TOML without it. That also holds with
comments, multi-line values and dotted keys.

Some files come with the package: `--config polite` is `config/polite.toml`. They are in the package
in a wheel, and in `config/` in a checkout. A user's file of the same name takes precedence.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

from crawler.cli.spelling import C, Spelling
from crawler.model.errors import ConfigurationError
from crawler.model.option import Option, OptionError, closest

UNLIMITED = "fast-local"
"""The preset that `--unlimited` stands for."""

_PACKAGE = Path(__file__).parent.parent
_FOLDERS = (_PACKAGE / "presets", _PACKAGE.parent / "config")

_POSITION = re.compile(r" \(at line (\d+), column \d+\)$")
_HEAD = """\
# {title}
# Use: {use}. Environment variables ({variable}) and flags
# ({flag}) go before what stands here. Times are seconds, sizes bytes;
# text may have a unit: "500ms", "30s", "1h30m", "10MB", "1GiB", "10k".

[{table}]
"""


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


def read(spelling: Spelling[Any], path: str) -> dict[str, Any]:
    """Return the file's options, checked. Raises ConfigurationError with file and line."""
    text = _text(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}{_line_of(error)}") from error
    table = _table(spelling, path, text, document)
    return {key: _checked(spelling, path, text, key, item) for key, item in table.items()}


def settle(
    spelling: Spelling[C],
    path: str | None,
    given: Mapping[str, object],
    under: Mapping[str, object] = MappingProxyType({}),
) -> C:
    """Merge what flags and environment gave over the file over `under` over the defaults.

    Raises ConfigurationError that names the flag, or the file and line.
    """
    file = read(spelling, path) if path is not None else {}
    try:
        return spelling.config.of({**spelling.defaults, **under, **file, **given})
    except OptionError as error:
        if path is not None and error.option in file and error.option not in given:
            line = _find(_text(path), error.option, spelling.table)
            raise ConfigurationError(f"{path}, line {line}: {error}") from error
        flag = spelling.options[error.option].flag
        raise ConfigurationError(f"{flag}: {error.problem}") from error


def write(spelling: Spelling[C], config: C, title: str) -> str:
    """Return a file that sets every option to its value in `config`, with the help as comments."""
    parts, section = [_head(spelling, title)], ""
    values = config.values()
    for name, spec in spelling.options.items():
        if spec.section != section:
            section = spec.section
            parts.append(f"\n# {section}\n")
        value = values[name]
        parts.append(_entry(spec, value, written=spelling.written(spec, value)))
    return "".join(parts)


def _head(spelling: Spelling[Any], title: str) -> str:
    return _HEAD.format(
        title=title,
        use=spelling.use,
        variable=spelling.variable(spelling.example),
        flag=spelling.options[spelling.example].flag,
        table=spelling.table,
    )


def _text(path: str) -> str:
    try:
        return located(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is not UTF-8, as TOML must be") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        meant = _presets_like(path) if "/" not in path else ""
        raise ConfigurationError(f"{path}: cannot be read: {reason}{meant}") from error


def _presets_like(name: str) -> str:
    """Return the names of the presets, with the closest one to `name`."""
    known = presets()
    meant = closest(name.removesuffix(".toml"), known).replace("_", "-")
    there = f"he presets are {', '.join(known)}"
    return f"{meant} T{there}" if meant else f"; t{there}"


def _line_of(error: tomllib.TOMLDecodeError) -> str:
    position = _POSITION.search(str(error))
    if position is None:
        return f": {error}"
    return f", line {position[1]}: {_POSITION.sub('', str(error))}"


def _table(
    spelling: Spelling[Any], path: str, text: str, document: Mapping[str, Any]
) -> Mapping[str, Any]:
    for key in document:
        if key != spelling.table:
            problem = _foreign(spelling, key)
            raise ConfigurationError(f"{path}, line {_find(text, key)}: {problem}")
    table = document.get(spelling.table, {})
    if not isinstance(table, dict):
        line = _find(text, spelling.table)
        raise ConfigurationError(f"{path}, line {line}: write it as [{spelling.table}]")
    return table


def _foreign(spelling: Spelling[Any], key: str) -> str:
    table = f"[{spelling.table}]"
    if key in spelling.options:
        return f"{key} belongs below a line {table}"
    near = get_close_matches(key.lower(), [spelling.table])
    hint = f"did you mean {table}?" if near else f"options stand below {table}"
    return f"unknown table or key {key!r}; {hint}"


def _checked(spelling: Spelling[Any], path: str, text: str, key: str, value: object) -> Any:
    known = spelling.options
    try:
        if key not in known:
            raise OptionError(key, f"no such option{closest(key, known)}")
        return spelling.check(known[key], value)
    except OptionError as error:
        where = f"{path}, line {_find(text, key, spelling.table)}"
        raise ConfigurationError(f"{where}: {error}") from error


def _find(text: str, key: str, table: str | None = None) -> int:
    """Return the number of the line, from 1, that sets `key` (in `table`, or at the top)."""
    lines = text.splitlines(keepends=True)
    for number in reversed(range(len(lines))):
        if key in lines[number] and _lacks("".join(lines[:number]), key, table):
            return number + 1
    return 1


def _lacks(above: str, key: str, table: str | None) -> bool:
    """Return whether the lines above are valid TOML without the key."""
    try:
        document = tomllib.loads(above)
    except tomllib.TOMLDecodeError:
        return False
    return key not in (document if table is None else document.get(table, {}))


def _entry(spec: Option, value: object, *, written: bool) -> str:
    """Return the option below its help; commented out if the value means "not given"."""
    values = " | ".join(spec.choices) or spec.range
    note = f"{spec.help} ({values})" if values else spec.help
    return f"# {note}\n{'' if written else '# '}{spec.name} = {_value(value)}\n"


def _value(value: Any) -> str:
    """Return `value` in TOML: JSON, in which only DEL needs to be escaped as well."""
    if isinstance(value, float):
        return repr(value)
    if not isinstance(value, bool | int | str | tuple):
        value = str(value)  # a class of the project's own, which reads what it writes
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
