"""Which headers are credentials, by their names."""

from __future__ import annotations

import pytest

from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError
from crawler.model.secrets import hidden, is_secret


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "Proxy-Authorization", "Cookie", "cookie2", "X-Api-Key", "apikey"),
        *("X-Auth-Token", "X-CSRFToken", "X-XSRF", "PRIVATE-TOKEN", "X-Client-Secret", "X-JWT"),
        *("Ocp-Apim-Subscription-Key", "X-Session-Id", "X-Password", "X-Amz-Signature"),
        # False friends: kept with the list's origins, too, as a name is all that tells.
        *("X-Keyboard", "Sec-WebSocket-Key", "Author"),
    ],
)
def test_these_names_are_secret(name: str) -> None:
    """N11: any name that may be a credential's, however it is spelled."""
    assert is_secret(name) and is_secret(name.upper())
    assert hidden(f"{name}: t0ken") == f"{name}: ***"


@pytest.mark.parametrize(
    "name", ["Accept", "Accept-Language", "User-Agent", "Referer", "X-Own", "DNT", "Via", "From"]
)
def test_these_names_are_not(name: str) -> None:
    """Headers that say nothing secret go to every server."""
    assert not is_secret(name)
    assert hidden(f"{name}: a:b") == f"{name}: a:b"


def test_a_configuration_shows_no_secret() -> None:
    """What may hold credentials is not in the `repr`, which ends up in logs."""
    config = CrawlConfig(
        header=("X-Api-Key: t0ken",),
        header_everywhere=("X-Any: t0ken",),
        proxy=("http://me:t0ken@proxy.test:1",),
    )
    assert "t0ken" not in repr(config)


@pytest.mark.parametrize("option", ["header", "header_everywhere"])
@pytest.mark.parametrize(
    "line",
    ["Authorization Bearer t0ken", "X-Api-Key=t0ken", "Cookie: t0ken\n", "Cookie: t0ken\udcff"],
)
def test_an_error_shows_no_secret(option: str, line: str) -> None:
    """A header with a mistake in it is named without its value."""
    with pytest.raises(ConfigurationError) as raised:
        CrawlConfig.of({option: (line,)})
    assert str(raised.value).startswith(f"{option}: ")
    assert "t0ken" not in str(raised.value)
