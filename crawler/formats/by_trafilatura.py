"""Find the main text with trafilatura: the best agreement with annotators, in Python on lxml.

It holds the GIL and may take seconds for a large page, so `auto` runs it in processes alone.
"""

from __future__ import annotations

from typing import Any

import trafilatura


def main(markup: str, base: str, *, markdown: bool) -> tuple[str, str]:
    """Return the main text and, if asked for, the same as Markdown; "" where there is none.

    base: what relative links are resolved against; "" leaves them.
    """
    text = _extracted(markup)
    tree = trafilatura.load_html(markup) if markdown else None
    if tree is None:
        return text, ""
    if base:
        tree.make_links_absolute(base, resolve_base_href=False, handle_failures="ignore")
    return text, _extracted(tree, include_links=True, output_format="markdown")


def _extracted(page: Any, **options: Any) -> str:
    return trafilatura.extract(page, fast=True, include_comments=False, **options) or ""
