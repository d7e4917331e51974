"""A record: an outcome as one line of JSON, and its JSON Schema (draft 2020-12).

The line is UTF-8 whatever the text was: lone surrogates (invalid UTF-8 in a list) become U+FFFD,
and control characters are escaped (`crawler.model.output`).
"""

from __future__ import annotations

from typing import Any

from crawler.model.document import spliced
from crawler.model.former_page import CHANGES
from crawler.model.outcome import Final, Kind
from crawler.model.transfer import SCHEMA

SENT = ("method", "sent_hash")
"""Fields that tell requests for one URL apart, where the list gives more than URLs."""

OPTIONAL = (
    *(*SENT, "source", "etag", "last_modified", "changed", "saved", "headers", "connection"),
    *("links_left_off", "text", "markdown", "text_language", "text_hash", "selected"),
    *("parsed", "extracted"),
)
"""Fields that not every record has."""

_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"
_SECONDS = "seconds, in whole microseconds"


def encode(final: Final) -> bytes:
    """Return `final` as one line of JSON in UTF-8, with all fields and a line end."""
    return spliced(*final.halves()) + b"\n"


def schema() -> dict[str, Any]:
    """Return the schema of a line that `encode` writes."""
    fields = _request_fields() | _exchange_fields() | _document_fields()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:crawler:record:{SCHEMA}",
        "title": "A record of crawler crawl",
        "description": "What became of one URL of the list. One record is one line.",
        "type": "object",
        "properties": fields,
        "required": [name for name in fields if name not in OPTIONAL],
        "additionalProperties": False,
        "allOf": [
            _explained(["page", "unchanged"], kind="null", reason="null"),
            _explained(["redirect", "sitemap"], kind="null", reason="string"),
            _explained(["failed", "skipped"], kind="string", reason="string"),
        ],
    }


def _explained(outcomes: list[str], *, kind: str, reason: str) -> dict[str, Any]:
    """Return the rule for kind and reason in records of these outcomes."""
    return {
        "if": {"properties": {"outcome": {"enum": outcomes}}},
        "then": {"properties": {"kind": {"type": kind}, "reason": {"type": reason}}},
    }


def _request_fields() -> dict[str, Any]:
    return {
        "url": _text("The URL in its WHATWG form; the text as given if it is not a URL."),
        "input": _text("The entry of the list, as it was spelled."),
        "method": _text(
            "The method of the request; only where the list gives one, or headers or a body."
        ),
        "sent_hash": _text("SHA-256 of the body that was sent, in hexadecimal; if there was one."),
        "source": _source(),
        "final_url": _text("Where the redirects ended; null if nothing was asked for.", null=True),
        "redirects": {
            "description": "The redirects that were followed, in their order.",
            "type": "array",
            "items": _object(
                "One redirect, or the step from https to http for a host without a scheme.",
                {
                    "url": _text("The URL that answered with it, or refused TLS."),
                    "status": _integer(
                        "Its HTTP status (2xx for a refresh); null where TLS was refused.",
                        least=200,
                        null=True,
                    ),
                },
            ),
        },
        "outcome": {
            "description": "page: fetched and parsed; unchanged: a page that is as --since has "
            "it; redirect: leads to a URL with a record of "
            "its own; sitemap: fetched and read; failed: tried in vain; skipped: not tried.",
            "enum": ["page", "unchanged", "redirect", "sitemap", "failed", "skipped"],
        },
        "kind": {
            "description": "Why it failed or was skipped; null for the others.",
            "enum": [*(kind.value for kind in Kind), None],
        },
        "reason": _text("The same in words; null for a page.", null=True),
        "depth": _integer("Links from the list to this URL; 0 for an entry of the list."),
        "found_on": _text("The page or sitemap that led here; null for the list.", null=True),
        "near_duplicate_of": {
            "description": "Where links are followed: an earlier page with nearly the same text, "
            "as the first 64 bits of BLAKE2b over its final_url (digest_size=8), in hexadecimal.",
            "type": ["string", "null"],
            "pattern": "^[0-9a-f]{16}$",
        },
    }


def _source() -> dict[str, Any]:
    return _object(
        "Where the entry stands, of a URL that is listed twice the first; only for entries of a "
        "list, with --keep or --repeats.",
        {
            "file": _text("The list's name; - is standard input."),
            "line": {
                "description": "The number of its line, from 1; null in a sitemap.",
                "type": ["integer", "null"],
                "minimum": 1,
            },
            "columns": {
                "description": "What --keep names, by name or number; null above 16,384 bytes.",
                "type": ["object", "null"],
            },
        },
    )


def _exchange_fields() -> dict[str, Any]:
    return {
        "status": _integer("HTTP status of the last response; null without one.", null=True),
        "content_type": _text("The Content-Type header as sent; null without one.", null=True),
        "bytes": _object(
            "Sizes of the body; null if nothing was asked for.",
            {
                "wire": _integer("Bytes as received, content encoding included.", null=True),
                "decoded": _integer("Bytes without content encoding.", null=True),
            },
        ),
        "saved": _text("The file with the decoded body, below the directory of --save."),
        "truncated": {
            "description": "Whether the body was cut, so that the fields found on it lack its "
            "end: closed too early, above --max-body, or not finished within --timeout.",
            "type": "boolean",
        },
        "timings": _object("Seconds, of the last attempt; null where unknown.", _timings()),
        "attempts": _integer("Fetches made for this URL, redirects and retries included."),
        "fetched_at": {
            "description": "When the last attempt was made: RFC 3339, UTC, milliseconds.",
            "type": ["string", "null"],
            "format": "date-time",
            "pattern": _TIME,
        },
        "schema": {
            "description": "The version of this form; records of version 1 have no such field.",
            "type": "integer",
            "const": SCHEMA,
        },
        "etag": _text("The ETag header, if one was sent and has at most 1,024 characters."),
        "last_modified": _text("The Last-Modified header, likewise."),
        "changed": {
            "description": "With --since, if the URL has a record there: what differs from it, "
            "as far as both say; of a failure, the status alone.",
            "type": "array",
            "items": {"enum": list(CHANGES)},
        },
        "headers": {
            "description": "With --keep-headers, if a response came: the values of each header, "
            "by its name in lower case.",
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
        "connection": _connection(),
    }


def _connection() -> dict[str, Any]:
    return _object(
        "What the response came over, with --keep-connection, if one came.",
        {
            "ip": _text("The server's address; null behind a proxy.", null=True),
            "http_version": _text("The version of HTTP in the response: 1.1.", null=True),
            "tls_version": _text("The version of TLS: TLSv1.3; null for http.", null=True),
            "certificate_expires": {
                "description": "When the server's certificate ends; null for http, and with "
                "--insecure.",
                "type": ["string", "null"],
                "format": "date-time",
                "pattern": _TIME,
            },
        },
    )


def _timings() -> dict[str, Any]:
    return {
        "queued": _number(f"Wait in the queue of its host; {_SECONDS}."),
        "connect": _number(f"Name look-up, connecting and TLS; 0 if reused; {_SECONDS}."),
        "first_byte": _number(f"From sending to the whole response header; {_SECONDS}."),
        "total": _number(f"The whole exchange; {_SECONDS}."),
        "parse": _number(f"Parsing; {_SECONDS}; null if it was not parsed."),
    }


def _document_fields() -> dict[str, Any]:
    return {
        "charset": _text("The encoding that the page was decoded with.", null=True),
        "title": _text("The text of the title element.", null=True),
        "description": _text("The content of the description meta element.", null=True),
        "canonical": _text("The canonical link, absolute.", null=True),
        "language": _text("The lang attribute of the html element.", null=True),
        "robots": _texts("The directives of the robots meta elements, in lower case."),
        "refresh": {
            "description": "Where the page sends its visitors by itself, by a Refresh header or a "
            "meta element; null if it does not.",
            "type": ["object", "null"],
            "properties": {
                "seconds": _integer("How long after it was shown."),
                "url": _text("Absolute, without a fragment."),
            },
            "required": ["seconds", "url"],
            "additionalProperties": False,
        },
        "links": _texts(
            "What leads from the page to documents (links, frames, refreshes and the like): "
            "absolute, without repeats and fragments."
        ),
        "body_hash": _text(
            "SHA-256 of the decoded body as far as it came, in hexadecimal.", null=True
        ),
        "links_left_off": _integer(
            "Links beyond the caps on a page's links; only where there were any.", least=1
        ),
        **_content_fields(),
        "parsed": {"description": "What the user's own parser returned; only with --parser."},
        "extracted": {
            "description": "What each extractor returned, by its name; only with --extract.",
            "type": "object",
        },
    }


def _content_fields() -> dict[str, Any]:
    return {
        "text": _text("The main text, at most 4,194,304 characters; only with --text.", null=True),
        "markdown": _text("The same as Markdown; only with --markdown.", null=True),
        "text_language": _text(
            "The language of the main text, as the shortest ISO 639 code; null where it is not "
            "clear; only with --detect-language.",
            null=True,
        ),
        "text_hash": _text(
            "SHA-256 of the words of the main text, in hexadecimal; only with --text-hash.",
            null=True,
        ),
        "selected": {
            "description": "The fields of --select by name: null without a match, the value of "
            "one, a list of several.",
            "type": ["object", "null"],
        },
    }


def _text(description: str, *, null: bool = False) -> dict[str, Any]:
    return {"description": description, "type": ["string", "null"] if null else "string"}


def _texts(description: str) -> dict[str, Any]:
    return {
        "description": f"{description} Null if it is not a page.",
        "type": ["array", "null"],
        "items": {"type": "string"},
    }


def _integer(description: str, *, null: bool = False, least: int = 0) -> dict[str, Any]:
    kind = ["integer", "null"] if null else "integer"
    return {"description": description, "type": kind, "minimum": least}


def _number(description: str) -> dict[str, Any]:
    return {"description": description, "type": ["number", "null"]}


def _object(description: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": description,
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }
