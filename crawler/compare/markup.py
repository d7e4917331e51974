"""Pieces of HTML that the report of a comparison has and others have not.

What is given as text is escaped here; what is HTML already says so by its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from crawler.compare.experiment import Outcome
from crawler.report.page import prose


def anchor(experiment: str) -> str:
    """The id of an experiment's section."""
    return f"experiment-{experiment}"


def link(experiment: str, html: str) -> str:
    """A link to an experiment's section."""
    return f'<a href="#{escape(anchor(experiment))}">{html}</a>'


def badge(outcome: Outcome) -> str:
    """The word for what came of a prediction, in its colour."""
    return f'<span class="badge {outcome.replace(" ", "-")}">{outcome}</span>'


def cards(columns: Sequence[str], rows_html: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table of words whose rows become cards on a phone; a row of one cell goes all across."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(f"<tr>{_row(columns, row)}</tr>" for row in rows_html)
    return (
        f'<div class="scroll"><table class="cards {kind}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _row(columns: Sequence[str], row_html: Sequence[str]) -> str:
    if len(row_html) == 1:
        return f'<td colspan="{len(columns)}">{row_html[0]}</td>'
    pairs = zip(columns, row_html, strict=True)
    return "".join(f'<td data-label="{escape(c)}">{cell}</td>' for c, cell in pairs)


def sentences(title: str, texts: Sequence[str]) -> str:
    """A short list under a heading; nothing for none."""
    if not texts:
        return ""
    items = "".join(f"<li>{prose(text)}</li>" for text in texts)
    return f"<div><h3>{escape(title)}</h3><ul>{items}</ul></div>"
