"""Log in to a site: fill in a form, send it once, and see that it worked.

    GET the page -> fill in the form that has the fields -> send it -> follow redirects -> check

The cookies of that are the crawl's. The form, with its password, is sent to the page's own origin
only, and never again.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from crawler.core.cookies import Jar
from crawler.fetch.urllib3_client import ThreadedFetcher
from crawler.formats import charset
from crawler.formats.page_forms import PageForm, forms
from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.outcome import Failed, Fetched, Received, Redirect
from crawler.model.request import Request
from crawler.model.url import Url, join, parse

_PLAIN = {"session": True, "accept": (), "error_pages": True, "concurrency": 1}
"""The options with which the pages of a login are read, whatever the crawl reads."""
_REPEATED = (307, 308)  # redirects that want the same request once more


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LoginOrder:
    """A page with a form, the values of its fields, and a pattern that the page after it has."""

    path: str
    url: Url
    fields: dict[str, str]
    check: re.Pattern[str]

    @classmethod
    def read(cls, path: str) -> LoginOrder:
        """Read a TOML file with `url`, `check` and a table `fields`.

        Raises `ConfigurationError`, whose text shows no value.
        """
        try:
            found = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:  # broken TOML and UTF-8, too
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise ConfigurationError(f"login: {path} cannot be read: {reason}") from None
        url, check, fields = (found.get(name) for name in ("url", "check", "fields"))
        target = parse(url) if isinstance(url, str) else None
        if not isinstance(target, Url):
            raise ConfigurationError(f"login: {path}: url is not the URL of a page with a form")
        if not isinstance(fields, dict) or not all(isinstance(v, str) for v in fields.values()):
            raise ConfigurationError(f"login: {path}: expected a table [fields] with texts")
        try:
            pattern = re.compile(check) if isinstance(check, str) and check else None
        except re.error as error:
            raise ConfigurationError(f"login: {path}: check: {error}") from None
        if pattern is None:
            raise ConfigurationError(
                f"login: {path}: expected check = 'PATTERN', which only a page after the login has"
            )
        return cls(path=path, url=target, fields=fields, check=pattern)


def logged_in(path: str, config: CrawlConfig) -> Jar:
    """Log in as the file at `path` says; return all cookies of the crawl.

    Raises `ConfigurationError` if there is no such form or the check fails, `EnvironmentFailure` if
    the site cannot be reached.
    """
    order = LoginOrder.read(path)
    first, most = _request(order.url), config.network.max_redirects
    with ThreadedFetcher(config.updated(_PLAIN)) as fetcher:
        page, text = _followed(fetcher, order, fetcher.fetch(first), most)
        form = _chosen(order, text, page)
        target = _target(order, form, page)
        data = form.filled(order.fields)
        if form.post:
            sent = fetcher.submit(_request(target), data.encode(), page.href)
        else:
            href = target.href.partition("?")[0]
            sent = fetcher.fetch(_request(Url(f"{href}?{data}")))
        _, text = _followed(fetcher, order, sent, most)
        if not order.check.search(text):
            raise ConfigurationError(
                f"login: {order.url.host_key}: the page after the form lacks "
                f"{order.check.pattern!r}; check the fields in {order.path}"
            )
        return fetcher.cookies()


def _request(url: Url) -> Request:
    return Request(url=url, seed=url.href, input=url.href)


def _followed(
    fetcher: ThreadedFetcher, order: LoginOrder, fetched: Fetched, most: int
) -> tuple[Url, str]:
    """Follow redirects; return the last URL and the text of its page."""
    for _ in range(most + 1):
        if not isinstance(fetched, Redirect):
            return fetched.request.url, _text(order, fetched)
        target = join(fetched.request.url, fetched.location)
        if not isinstance(target, Url) or fetched.exchange.status in _REPEATED:
            raise ConfigurationError(f"login: {order.url.host_key}: redirects to where it may not")
        fetched = fetcher.fetch(_request(target))
    raise ConfigurationError(f"login: {order.url.host_key}: more than {most} redirects")


def _text(order: LoginOrder, fetched: Fetched) -> str:
    received = fetched.kept if isinstance(fetched, Failed) else fetched
    if not isinstance(received, Received):
        reason = fetched.reason if isinstance(fetched, Failed) else "no page"
        raise EnvironmentFailure(f"login: {order.url.host_key}: {reason}")
    response = received.response
    return charset.text(response.body, charset.detect(response.body, response.content_type))


def _chosen(order: LoginOrder, text: str, page: Url) -> PageForm:
    """Return the first form that has all the fields."""
    found = forms(text)
    for form in found:
        if order.fields.keys() <= set(form.names):
            return form
    names = "; ".join(", ".join(form.names) for form in found)[:200] or "no form"
    wanted = ", ".join(order.fields)
    raise ConfigurationError(f"login: {page.host_key}: no form has the fields {wanted} ({names})")


def _target(order: LoginOrder, form: PageForm, page: Url) -> Url:
    target = join(page, form.action) if form.action else page
    if not isinstance(target, Url) or not target.host_key == page.host_key == order.url.host_key:
        raise ConfigurationError(
            f"login: {order.url.host_key}: the form is sent to another origin; give the URL of "
            "the page there"
        )
    return target
