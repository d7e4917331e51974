"""Extract a page's content, as far as the options ask for it: main text, language, hash, fields.

The main text is what a visitor came for: without navigation, headers, footers and other
boilerplate. Two libraries find it: `by_turbohtml`, the default, and `by_trafilatura`, which agrees
more with human annotators at 20 times the cost (docs/how-to/content.md has the figures). Selectors
are always turbohtml's.
"""

from __future__ import annotations

from hashlib import sha256
from importlib.util import find_spec
from typing import Any, Final

from crawler.formats import caps
from crawler.model.content_config import NO_CONTENT, ContentConfig
from crawler.model.errors import ConfigurationError
from crawler.model.extras import install

_LANGUAGE_SAMPLE: Final = 20_000  # characters; more cost time and change no answer


def check(asked: ContentConfig) -> None:
    """Raise `ConfigurationError` for a missing library or an invalid selector."""
    if asked.reads_text and asked.text_engine == "best" and find_spec("trafilatura") is None:
        command = install("trafilatura")
        raise ConfigurationError(f"text_engine: trafilatura is not installed; {command}")
    if asked.select:
        from crawler.formats import by_turbohtml

        for selector in asked.selectors:
            try:
                by_turbohtml.check(selector)
            except ValueError as error:
                raise ConfigurationError(f"select {selector.name}: {error}") from error


def nothing(asked: ContentConfig) -> dict[str, Any]:
    """Return the fields of a response that is not a page: all null."""
    return {} if asked is NO_CONTENT else dict.fromkeys(asked.fields)


def content(markup: str, base: str, asked: ContentConfig) -> dict[str, Any]:
    """Return the fields that `asked` names, null where the page has none.

    base: the absolute URL that relative links of the Markdown are resolved against.
    """
    from crawler.formats import by_turbohtml

    found = nothing(asked)
    best = asked.text_engine == "best"
    tree = by_turbohtml.parse(markup) if asked.select or not best else None
    if tree is not None and asked.select:
        found["selected"] = by_turbohtml.selected(tree, asked.selectors)
    if not asked.reads_text:
        return found
    tags = markup.count("<")
    if (tags + markup.count(",")) * len(base) > caps.RESOLVED:
        base = ""  # many links (a srcset separates its own by commas) behind a long `<base>`
    if tree is None or best:
        from crawler.formats import by_trafilatura

        text, markdown = by_trafilatura.main(markup, base, markdown=asked.markdown)
    else:
        scored = tags <= caps.SHALLOW or not by_turbohtml.is_deep(tree)
        text, markdown = by_turbohtml.main(tree, base, markdown=asked.markdown, scored=scored)
    return found | _described(text.strip(), markdown.strip(), found.keys())


def _described(text: str, markdown: str, names: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if "text" in names:
        values["text"] = caps.cut(text, caps.TEXT) or None
    if "markdown" in names:
        values["markdown"] = caps.cut(markdown, caps.TEXT) or None
    if "text_language" in names:
        from crawler.formats import by_turbohtml

        values["text_language"] = by_turbohtml.language(text[:_LANGUAGE_SAMPLE])
    if "text_hash" in names:
        words = " ".join(text.split())  # layout alone is not a change
        values["text_hash"] = sha256(words.encode()).hexdigest() if words else None
    return values
