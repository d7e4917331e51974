"""Write the files that are made from the options: `python -m tests.generated`.

They are the typed keywords of `crawler.run` and `config/default.toml`. A test compares each with
what is here; the documentation makes its tables when it is built.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path

from crawler.cli import toml
from crawler.cli.crawl_entry import TITLE
from crawler.cli.crawl_spelling import CRAWL
from crawler.model.command_config import CommandConfig
from crawler.model.config import CrawlConfig
from crawler.model.option import Options

ROOT = Path(__file__).parents[1]

PARSER, ONE = "parser", ["parser: str"]
_HEAD = '''"""The options of a crawl as keyword arguments, with their types.

Made from `crawler.model.config` by `python -m tests.generated`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

'''
_TYPES = {
    "int": "int | str",
    "float": "float | str",
    "tuple[str, ...]": "list[str] | tuple[str, ...]",
    "HostTable": "HostTable | str | Mapping[str, Any]",
}
_GIVEN = {"proxy": "str | list[str] | tuple[str, ...]"}
_CHOICES = ("Client", "Engine", "Html", "Loop", "Parse", "Robots", "ScopeMode", "TextEngine")


def keywords() -> str:
    """Return the module of typed keywords."""
    groups = {spec.name: spec.metadata.get("group") for spec in fields(CrawlConfig)}
    parts = [_HEAD, f"from crawler.model.choices import {', '.join(_CHOICES)}\n"]
    kinds = [kind for kind in groups.values() if kind is not None]
    homes = {kind.__module__: kind.__name__ for kind in kinds} | {
        "crawler.model.hosts": "HostTable"
    }
    parts += [f"from {module} import {name}\n" for module, name in sorted(homes.items())]
    bases = []
    for name, kind in groups.items():
        if kind is not None:
            bases.append(f"{name.capitalize()}Keywords")
            parts.append(_typed(bases[-1], f"The `{name}` options.", "TypedDict", _keys(kind)))
            if any(spec.name == PARSER for spec in fields(kind)):  # an argument with more types
                others = [key for key in _keys(kind) if not key.startswith(f"{PARSER}:")]
                parts[-1] = _typed(
                    f"Other{bases[-1]}",
                    "The `parsing` options except `parser`.",
                    "TypedDict",
                    others,
                )
                parts.append(_typed(bases[-1], f"The `{name}` options.", f"Other{bases[-1]}", ONE))
                bases[-1] = f"Other{bases[-1]}"
    parts.append(
        _typed("RunKeywords", "All options except `parser`.", ", ".join(bases), _keys(CrawlConfig))
    )
    parts.append(_typed("CrawlKeywords", "Every option.", "RunKeywords", ONE))
    return "".join(parts)


def _typed(name: str, doc: str, bases: str, keys: Iterable[str]) -> str:
    lines = "".join(f"    {key}\n" for key in keys)
    head = f"class {name}({bases}, total=False)"
    if len(head) >= 100:
        parts = ",\n    ".join(f"{bases}, total=False,".split(", "))
        head = f"class {name}(\n    {parts}\n)"
    return f'\n\n{head}:\n    """{doc}"""\n\n{lines}'


def _keys(config: type[Options]) -> Iterator[str]:
    for spec in fields(config):  # type: ignore[arg-type]
        if "group" in spec.metadata:
            kind = spec.metadata["group"].__name__
            yield f"{spec.name}: {kind} | {spec.name.capitalize()}Keywords"
        else:
            yield f"{spec.name}: {_GIVEN.get(spec.name) or _TYPES.get(spec.type, spec.type)}"


def default_toml() -> str:
    """Return `config/default.toml`."""
    return toml.write(CRAWL, CommandConfig(), TITLE)


def files() -> dict[Path, str]:
    """Return the files with what belongs into them."""
    return {
        ROOT / "crawler" / "model" / "keywords.py": keywords(),
        ROOT / "config" / "default.toml": default_toml(),
    }


def main() -> None:
    """Write the files that differ."""
    for path, text in files().items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
