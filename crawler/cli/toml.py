"""Configuration files: TOML with one table, `[crawl]`, whose keys are the crawl's options.

`tomllib` tells no line numbers, and a person needs them. The line of a key is found by asking
`tomllib` again: it is the last line that names the key while the lines above it are whole and do
not hold the key yet. That is right also beside comments, multi-line values and dotted keys.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError
from crawler.model.option import Option, OptionError, closest

TABLE = "crawl"

_POSITION = re.compile(r" \(at line (\d+), column \d+\)$")
_HEAD = """\
# {title}
# Use: crawler crawl --config FILE. Environment variables (CRAWLER_PER_HOST) and flags
# (--per-host) go before what stands here. Times are seconds, sizes bytes.

[crawl]
"""


def read(path: str) -> dict[str, Any]:
    """The options that the file sets, checked. Raises ConfigurationError with file and line."""
    text = _text(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}{_line_of(error)}") from error
    table = _table(path, text, document)
    return {key: _checked(path, text, key, value) for key, value in table.items()}


def write(config: CrawlConfig, title: str = "Every option of a crawl, with its value.") -> str:
    """A file that sets every option to what `config` has, with the help as comments."""
    parts, section = [_HEAD.format(title=title)], ""
    for name, spec in config.options().items():
        if spec.section != section:
            section = spec.section
            parts.append(f"\n# {section}\n")
        parts.append(_entry(spec, getattr(config, name)))
    return "".join(parts)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not UTF-8, so no TOML") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{path}: cannot be read: {reason}") from error


def _line_of(error: tomllib.TOMLDecodeError) -> str:
    position = _POSITION.search(str(error))
    if position is None:
        return f": {error}"
    return f", line {position[1]}: {_POSITION.sub('', str(error))}"


def _table(path: str, text: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in document:
        if key != TABLE:
            problem = _foreign(key)
            raise ConfigurationError(f"{path}, line {_find(text, key)}: {problem}")
    table = document.get(TABLE, {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"{path}, line {_find(text, TABLE)}: write it as [{TABLE}]")
    return table


def _foreign(key: str) -> str:
    if key in CrawlConfig.options():
        return f"{key} belongs below a line [{TABLE}]"
    near = "; did you mean [crawl]?" if get_close_matches(key.lower(), [TABLE]) else ""
    return f"unknown table or key {key!r}{near or f'; options stand below [{TABLE}]'}"


def _checked(path: str, text: str, key: str, value: object) -> Any:
    known = CrawlConfig.options()
    try:
        if key not in known:
            raise OptionError(key, f"no such option{closest(key, known)}")
        return known[key].check(value)
    except OptionError as error:
        where = f"{path}, line {_find(text, key, TABLE)}"
        raise ConfigurationError(f"{where}: {error}") from error


def _find(text: str, key: str, table: str | None = None) -> int:
    """The number of the line, from 1, that sets `key` (in `table`, or at the top)."""
    lines = text.splitlines(keepends=True)
    for number in reversed(range(len(lines))):
        if key in lines[number] and _lacks("".join(lines[:number]), key, table):
            return number + 1
    return 1


def _lacks(above: str, key: str, table: str | None) -> bool:
    """Whether the lines above are whole and do not hold the key."""
    try:
        document = tomllib.loads(above)
    except tomllib.TOMLDecodeError:
        return False
    return key not in (document if table is None else document.get(table, {}))


def _entry(spec: Option, value: object) -> str:
    values = " | ".join(spec.choices) or spec.range
    note = f"{spec.help} ({values})" if values else spec.help
    return f"# {note}\n{spec.name} = {_value(value)}\n"


def _value(value: Any) -> str:
    """`value` in TOML; for these types JSON is TOML, but for DEL, which TOML wants escaped."""
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
