"""The response that a user's own parser receives: `crawler.Response`.

    def parse(response: crawler.Response) -> dict:
        return {"words": len(response.text.split()), "server": response.headers.get("Server")}

Text, charset and headers are computed on first access. To a process that parses, a response is sent
as its plain fields.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cached_property
from typing import Self

from crawler.model import document
from crawler.model.headers import Headers


class Response(document.RawResponse):
    """A 2xx response, whole and decoded, with its text, charset and headers.

    To try a parser make one:
    `Response(url="http://a.test/", status=200, content_type="text/html", body=b"<p>Hello")`.
    """

    @classmethod
    def of(cls, response: document.RawResponse) -> Self:
        """Return the same response with the attributes for parsers."""
        return cls(**{each.name: getattr(response, each.name) for each in fields(response)})

    @cached_property
    def charset(self) -> str:
        """The encoding of the body, as browsers find it: a WHATWG name in lower case."""
        # Imported here: a subinterpreter cannot load its detector, and may not need it.
        from crawler.formats import charset

        return charset.detect(self.body, self.content_type)

    @cached_property
    def text(self) -> str:
        """The body as text, with U+FFFD for undecodable bytes."""
        from crawler.formats import charset

        return charset.text(self.body, self.charset)

    @cached_property
    def headers(self) -> Headers:
        """The header fields."""
        return Headers(self.fields)
