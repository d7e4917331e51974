"""Files of credentials: cookies as browsers export them, and tokens by origin.

No error shows more of them than a line's number or an origin.
"""

from __future__ import annotations

import tomllib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from math import inf
from pathlib import Path
from typing import Any

import orjson

from crawler.core.cookies import Jar
from crawler.model.errors import ConfigurationError
from crawler.model.request import Cookie
from crawler.model.url import InvalidUrl, parse

_HTTP_ONLY = "#HttpOnly_"
_FIELDS = 7  # of a line: domain, whether of its subdomains, path, secure, expiry, name, value


def cookies_in(path: str) -> Jar:
    """Return the cookies of a file in Netscape's format (`cookies.txt`), or in JSON.

    JSON is a list of objects with `name`, `value` and `domain`, or an object with one in `cookies`,
    as browsers' tools write them. Raises `ConfigurationError`.
    """
    text = _text("cookies", path)
    if text.lstrip()[:1] in ("[", "{"):
        return tuple(_from_json(path, text))
    return tuple(_from_lines(path, text))


def cookie_file(jar: Jar) -> bytes:
    """Return cookies in the form of a JSON file that `cookies_in` reads."""
    return orjson.dumps(
        [
            {
                "name": each.name,
                "value": each.value,
                "domain": each.domain,
                "path": each.path,
                "hostOnly": each.host_only,
                "secure": each.secure,
                "expires": 0 if each.expires == inf else each.expires,
            }
            for each in jar
        ]
    )


def _from_lines(path: str, text: str) -> Iterator[Cookie]:
    for number, line in enumerate(text.splitlines(), 1):
        line = line.removeprefix(_HTTP_ONLY)
        if not line.strip() or line.startswith("#"):
            continue
        cells = line.split("\t")
        if len(cells) != _FIELDS or not cells[4].removeprefix("-").isdecimal():
            raise ConfigurationError(
                f"cookies: {path}, line {number}: expected 7 columns with tabs between them, as in "
                "cookies.txt, or JSON"
            )
        domain, below, scope, secure, expires, name, value = cells
        yield Cookie(
            name=name,
            value=value,
            domain=domain.removeprefix(".").lower(),
            path=scope or "/",
            host_only=below.upper() != "TRUE",
            secure=secure.upper() == "TRUE",
            expires=_expiry(int(expires)),
        )


def _from_json(path: str, text: str) -> Iterator[Cookie]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"cookies: {path}: not JSON: {error.msg}") from None
    given = found.get("cookies") if isinstance(found, dict) else found
    for number, each in enumerate(given if isinstance(given, list) else [None], 1):
        texts = [each.get(key) for key in ("name", "value", "domain")] if _is_table(each) else []
        if not texts or not all(isinstance(text, str) for text in texts) or not texts[2]:
            raise ConfigurationError(
                f"cookies: {path}, cookie {number}: expected an object with name, value and domain"
            )
        name, value, domain = texts
        expires = each.get("expires", each.get("expirationDate", 0))
        yield Cookie(
            name=name,
            value=value,
            domain=domain.removeprefix(".").lower(),
            path=str(each.get("path") or "/"),
            host_only=bool(each.get("hostOnly", not domain.startswith("."))),
            secure=bool(each.get("secure", False)),
            expires=_expiry(expires if isinstance(expires, int | float) else 0),
        )


def _expiry(seconds: float) -> float:
    return seconds if seconds > 0 else inf  # 0 and -1 stand for the end of a session


def authorizations_in(path: str) -> Mapping[str, str]:
    """Return the Authorization headers of a TOML file, by origins as in `Url.host_key`.

    A table is named by its origin, or by a host for https, and has `bearer` or `basic`. Raises
    `ConfigurationError`.
    """
    try:
        document = tomllib.loads(_text("credentials", path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"credentials: {path}: {error}") from None
    return dict(_authorization(path, name, table) for name, table in document.items())


def _authorization(path: str, name: str, table: Any) -> tuple[str, str]:
    url = parse(name if "://" in name else f"https://{name}")
    if isinstance(url, InvalidUrl) or url.path != "/":
        raise ConfigurationError(f"credentials: {path}: {name!r} is neither an origin nor a host")
    if not _is_table(table) or list(table) not in (["bearer"], ["basic"]):
        raise ConfigurationError(
            f"credentials: {path}: [{name}] needs either bearer = 'TOKEN' or basic = "
            "'USER:PASSWORD'; a name with dots stands in quotes"
        )
    ((kind, secret),) = table.items()
    if not isinstance(secret, str) or not secret.isprintable():
        raise ConfigurationError(f"credentials: {path}: {kind} of [{name}] is not a text")
    if kind == "basic":
        secret = b64encode(secret.encode()).decode()
    return url.host_key, f"{kind.title()} {secret}"


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _text(option: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{option}: {path} is not UTF-8") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{option}: {path} cannot be read: {reason}") from None
