"""Requests to the control paths of a running mock web."""

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
# The ledger of 100,000 hosts is about ten million bytes; another server's stream may be endless.
_MAX_BYTES = 256 * 1024 * 1024

DEFAULT_URL = f"http://{MOCK.options['host'].default}:{MOCK.defaults['port']}"


def scenario(url: str) -> MockWeb:
    """Return the options of the mock web at `url`."""
    return _options(url, ask(url, "__scenario"))


def change(url: str, values: Mapping[str, object]) -> MockWeb:
    """Set options of the mock web at `url`, in all its processes; return the options afterwards."""
    return _options(url, ask(url, "__scenario", json.dumps(values).encode()))


def ask(url: str, path: str, body: bytes | None = None) -> Any:
    """Return the JSON that `url` answers at a control path; with a body, PUT it there.

    Raises ConfigurationError with the server's own words if it refuses, and EnvironmentFailure if
    nothing answers or the answer is not a mock web's.
    """
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"{url}: is not the URL of a mock web; expected one such as http://127.0.0.1:8080"
        )
    try:
        request = Request(  # noqa: S310  the scheme was looked at
            f"{url.rstrip('/')}/{path}", data=body, method="GET" if body is None else "PUT"
        )
        with _opener().open(request, timeout=_SECONDS) as response:
            answer = response.read(_MAX_BYTES)
    except HTTPError as error:
        with error:
            raise _refusal(url, path, error) from error
    except (URLError, OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        text = getattr(reason, "strerror", None) or reason
        raise EnvironmentFailure(f"{url}: cannot be asked: {text}") from error
    try:
        return json.loads(answer)
    except ValueError as error:
        raise EnvironmentFailure(f"{url}: answers, but is not a mock web") from error


def _opener() -> OpenerDirector:
    context = ssl.create_default_context()
    # A mock web makes its certificate at its start, signed by an authority that nobody knows.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return build_opener(ProxyHandler({}), HTTPSHandler(context=context))


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
