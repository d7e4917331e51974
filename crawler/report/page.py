"""Pieces of HTML that reports are made of: the page, its plots, its tables.

A page is a single file that asks the network for nothing and runs no script: its policy forbids
both. All text that is given here is escaped here; what is HTML says so by its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from crawler.report.svg import Plot

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(title: str, style: str, html: Iterable[str]) -> str:
    """The whole document: `html` is what its body has, `style` its CSS."""
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f"<title>{escape(title)}</title>",
        f"<style>\n{style}</style></head><body>",
        *html,
        "</body></html>\n",
    ]
    return "\n".join(parts)


def prose(text: str) -> str:
    """A text as HTML; what stands between backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def figure(plot: Plot, *, level: int = 2, below_html: str = "") -> str:
    """A plot under its title, a heading of this level, and its note."""
    note = f"<p>{prose(plot.note)}</p>" if plot.note else ""
    caption = f"<figcaption><h{level}>{escape(plot.title)}</h{level}>{note}</figcaption>"
    return f"<figure>{caption}{plot.svg}{below_html}</figure>"


def table(
    title: str,
    columns: Iterable[str],
    rows: Iterable[Iterable[str]],
    kind: str = "",
    *,
    note: str = "",
    level: int = 2,
) -> str:
    """A table in a section of its own; `kind` is its class: `words` or figures."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in row)}</tr>" for row in rows)
    below = f'<p class="note">{escape(note)}</p>' if note else ""
    whole = f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    heading = f"<h{level}>{escape(title)}</h{level}>"
    return f'<section>{heading}<div class="scroll">{whole}</div>{below}</section>'
