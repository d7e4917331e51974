"""A mock web that runs already: what it is asked through its control paths."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

from crawler.cli.mock.mock_web import MOCK
from crawler.mock import MockWeb
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.option import OptionError

_SECONDS = 10.0
# A ledger of 100,000 hosts is some ten million bytes; a stranger's stream has no end.
_MAX_BYTES = 256 * 1024 * 1024

DEFAULT_URL = f"http://{MOCK.options['host'].default}:{MOCK.defaults['port']}"


def scenario(url: str) -> MockWeb:
    """The options of the mock web at `url`."""
    return _options(url, ask(url, "__scenario"))


def change(url: str, values: Mapping[str, object]) -> MockWeb:
    """Set options of the mock web at `url`, in all its processes; what it is then."""
    return _options(url, ask(url, "__scenario", json.dumps(values).encode()))


def ask(url: str, path: str, body: bytes | None = None) -> Any:
    """What `url` answers at a control path, from JSON; with a body that is PUT there.

    ConfigurationError with the server's own words when it refuses; EnvironmentFailure when nobody
    answers, or somebody who is no mock web.
    """
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"{url}: no URL of a mock web; write http://127.0.0.1:8080")
    try:
        request = Request(  # noqa: S310  the scheme was looked at
            f"{url.rstrip('/')}/{path}", data=body, method="GET" if body is None else "PUT"
        )
        with _opener().open(request, timeout=_SECONDS) as response:
            return _value(url, response.read(_MAX_BYTES))
    except HTTPError as error:
        with error:
            raise _refusal(url, path, error) from error
    except (URLError, OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        text = getattr(reason, "strerror", None) or reason
        raise EnvironmentFailure(f"{url}: cannot be asked: {text}") from error


def _opener() -> OpenerDirector:
    context = ssl.create_default_context()
    # A mock web makes its certificate at its start, signed by an authority that nobody knows.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return build_opener(ProxyHandler({}), HTTPSHandler(context=context))


def _value(url: str, body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise EnvironmentFailure(f"{url}: answers, but is no mock web") from error


def _refusal(url: str, path: str, error: HTTPError) -> EnvironmentFailure | ConfigurationError:
    text = " ".join(error.read(4096).decode("utf-8", "replace").split())
    if error.code in (400, 409):
        return ConfigurationError(f"{url}: {text or error.reason}")
    return EnvironmentFailure(f"{url}: /{path} answered {error.code}; is it a mock web?")


def _options(url: str, values: Any) -> MockWeb:
    try:
        return MockWeb.of(values)
    except (OptionError, TypeError) as error:
        raise EnvironmentFailure(f"{url}: is a mock web of another version: {error}") from error
