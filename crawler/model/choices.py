"""The values of the options that are one of a few words."""

from __future__ import annotations

from typing import Literal

Engine = Literal["async", "threaded"]
Loop = Literal["uvloop", "asyncio"]
Client = Literal["aiohttp", "raw"]
Parse = Literal["auto", "inline", "thread", "process", "interpreter", "none"]
Html = Literal["frostwork", "lexbor"]
TextEngine = Literal["fast", "best"]
InputFormat = Literal["auto", "lines", "csv", "jsonl", "sitemap", "parquet", "warc"]
OutputFormat = Literal[
    "jsonl", "jsonl.gz", "jsonl.zst", "csv", "csv.gz", "csv.zst", "parquet", "warc.gz", "warc.zst"
]
CsvLinks = Literal["count", "join"]
Existing = Literal["refuse", "replace", "add"]
"""How an output that already holds data is treated."""
Robots = Literal["obey", "ignore"]
LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
Sync = Literal["full", "none"]
Progress = Literal["auto", "bar", "line", "none"]
ScopeMode = Literal["host", "domain", "prefix", "any"]
