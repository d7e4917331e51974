"""Where the parts of a run go at its end, by the format of the output."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crawler.model.command_config import CommandConfig
from crawler.store.forms import OutputTarget
from crawler.store.gathering import GatheredFile, PartDirectory
from crawler.store.object_directory import ObjectDirectory
from crawler.store.object_store import place_of
from crawler.store.packed_file import PackedFile, Packer
from crawler.store.rendering import rendering
from crawler.store.run_folder import GatheringPlace


def placed(
    target: OutputTarget, config: CommandConfig, begun: Mapping[str, Any] | None
) -> GatheringPlace:
    """Claim an output for the parts of a run; begun: what it was begun with, if it was.

    Raises `ConfigurationError` and `EnvironmentFailure` for one that cannot be written.
    """
    path, existing = target.path, config.existing
    packer = _packer(target, config)
    if target.remote:
        return ObjectDirectory(path, existing, begun, suffix=target.form.suffix, packer=packer)
    if target.directory:
        return PartDirectory(path, existing, begun, suffix=target.form.suffix, packer=packer)
    if packer is not None:
        return PackedFile(path, existing, begun, packer)
    most = config.warc_size if target.archive else 0
    return GatheredFile(path, existing, begun, rendering(target.form, config).head, most)


def _packer(target: OutputTarget, config: CommandConfig) -> Packer | None:
    match target.form.name:
        case "parquet":
            from crawler.store.parquet_output import ParquetPacker

            return ParquetPacker(Path(place_of(target.path)), config.fields)
        case "sqlite":
            from crawler.store.databases import SqlitePacker

            return SqlitePacker(config.fields)
        case "duckdb":
            from crawler.store.databases import DuckdbPacker

            return DuckdbPacker(config.fields)
        case _:
            return None
