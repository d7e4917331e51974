"""Faults of redirection (RFC 9110 section 15.4): Locations that lead nowhere or somewhere bad.

The addresses are those that a crawler inside a company must not follow: RFC 1918, the link-local
address where clouds serve credentials, and the machine itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from crawler.mock.faults.recipe import HTML, Make, always, on_ask, read
from crawler.mock.reply import Answer, Ask, content, notice

# Each hop's URL grows by this much; servers and clients give up at 64 KiB or before.
_GROWTH = "x" * 100
_SEEN = content(b"<!DOCTYPE html><title>With the cookie</title>", HTML[0][1])


def _found(*locations: str, status: int = 302, cookie: str = "") -> Answer:
    fields = [("Location", location) for location in locations]
    fields += [("Set-Cookie", cookie)] if cookie else []
    return notice(status, "elsewhere", headers=tuple(fields))


def _to(*locations: str, status: int = 302) -> Make:
    return always(_found(*locations, status=status))


def _walled(otherwise: Callable[[Ask], Answer]) -> Make:
    """Return a page for clients with the cookie `seen`, another answer for others."""
    return on_ask(lambda ask: _SEEN if "seen=1" in ask.header("cookie") else otherwise(ask))


def _cookie_two(ask: Ask) -> Answer:
    if ask.target != ask.path:
        return _found(ask.path, cookie="seen=1; Max-Age=60; HttpOnly")
    return _found(f"{ask.path}?set")


def _refresh_cookie(ask: Ask) -> Answer:
    fields = (("Set-Cookie", "seen=1"), ("Refresh", f"0; url={ask.target}"))
    return content(b"<!DOCTYPE html><title>Wait</title>", "text/html", headers=fields)


def _growing(ask: Ask) -> Answer:
    return _found(f"{ask.target}{'&' if '?' in ask.target else '?'}{_GROWTH}")


def _deeper(ask: Ask) -> Answer:
    return _found(f"/fault/redirect-deeper{'/deeper' * (ask.path.count('/deeper') + 1)}")


def _escapes(ask: Ask) -> Answer:
    query = ask.target.partition("?")[2] or "%20"
    return _found(f"{ask.path}?{query.replace('%', '%25')}")


def _refresh(ask: Ask) -> Answer:
    page = f'<!DOCTYPE html><title>Refresh</title><meta http-equiv=refresh content="0;{ask.path}">'
    return content(page.encode(), HTML[0][1], headers=(("Refresh", f"0; url={ask.path}"),))


def _moved(*fields: tuple[str, str], meta: str = "") -> Make:
    page = f"<!DOCTYPE html><title>Moved</title>{meta}<a href=/page/1>One</a>"
    return always(content(page.encode(), HTML[0][1], headers=fields))


FAULTS = read(
    """
redirect-self: Redirects to itself. => @
redirect-cookie: Common: redirects to itself until its cookie comes back. => @
redirect-cookie-two: Common: a second URL sets the cookie and redirects back. => @
refresh-cookie: Common: a page that sets a cookie and shows itself again. => @
redirect-cookie-foreign: Redirects to itself and sets another site's cookie. => @
redirect-cookie-counts: Redirects to itself, each time with another cookie. => @
redirect-growing: Redirects to itself with a longer query each time. => @
redirect-deeper: Redirects to ever deeper paths. => @
redirect-escapes: Redirects to itself, percent-encoded once more each time. => @
redirect-body: A redirect with a body of 1 MB. => @
refresh: Redirects to itself by a Refresh field and a meta element. => @
refresh-header: Common: moves on by a Refresh field. => @
refresh-meta: Common: moves on by a meta element. => @
refresh-script: Refreshes to a script. => @
redirect-chain: A chain of twenty redirects to a page. => @to /redirect/19
redirect-two: Redirects to redirect-two-back. => @to /fault/redirect-two-back
redirect-two-back: Redirects to redirect-two. => @to /fault/redirect-two
redirect-no-location: A redirect without Location. => @
redirect-empty: An empty Location. => @
redirect-blank: A Location of blanks. => @
redirect-broken: An invalid Location. => @to http://[::1
redirect-bad-port: A Location with an invalid port. => @to http://127.0.0.1:99999/
redirect-no-host: A Location without a host. => @to http:///
redirect-many: Two Locations that differ. => @
redirect-long: A Location of 60 KB. => @
redirect-non-ascii: Common: a Location in raw UTF-8. => @to /page/0?q=日本語
redirect-spaces: Common: a Location with blanks in it. => @to /page/0?q=a b  c
redirect-fragment: Legal: a Location with a fragment. => @to /page/0#top
redirect-300: 300 with a choice of one. => @
redirect-304: 304, unasked, with a Location. => @
redirect-399: A status of 399 with a Location. => @
redirect-private: Redirects to a private address. => @to http://10.255.255.1/
redirect-metadata: Redirects to a cloud's link-local address.
    => @to http://169.254.169.254/latest/meta-data/
redirect-port: Redirects to the machine's own port 1. => @to http://127.0.0.1:1/
redirect-credentials: A Location with a user and a password. => @to http://user:secret@127.0.0.1:1/
redirect-file: Redirects to a file. => @to file:///etc/passwd
redirect-ftp: Redirects to FTP. => @to ftp://127.0.0.1/
redirect-javascript: Redirects to a script. => @to javascript:alert(1)
redirect-data: Redirects to a data URL. => @to data:text/html,<p>hello
redirect-gopher: Redirects to gopher, once a way to forge requests.
    => @to gopher://127.0.0.1:25/_HELO
""",
    {
        "redirect-self": on_ask(lambda ask: _found(ask.target)),
        "redirect-cookie": _walled(lambda ask: _found(ask.target, cookie="seen=1; Path=/")),
        "redirect-cookie-two": _walled(_cookie_two),
        "refresh-cookie": _walled(_refresh_cookie),
        "redirect-cookie-foreign": _walled(
            lambda ask: _found(ask.target, cookie="seen=1; Domain=example.com; Path=/")
        ),
        "redirect-cookie-counts": on_ask(
            lambda ask: _found(ask.target, cookie=f"n={'x' * len(ask.header('cookie'))}")
        ),
        "redirect-growing": on_ask(_growing),
        "redirect-deeper": on_ask(_deeper),
        "redirect-escapes": on_ask(_escapes),
        "redirect-body": always(replace(_found("/page/0"), pieces=(b"elsewhere\n" * 10_000,) * 10)),
        "refresh": on_ask(_refresh),
        "refresh-header": _moved(("Refresh", "0; url=/page/0")),
        "refresh-meta": _moved(meta="<meta http-equiv=Refresh content=\"1;URL='/page/0'\">"),
        "refresh-script": _moved(
            ("Refresh", "0;url=javascript:alert(1)"), meta="<meta http-equiv=refresh content=x>"
        ),
        "redirect-no-location": _to(),
        "redirect-empty": _to(""),
        "redirect-blank": _to("   "),
        "redirect-many": _to("/page/0", "/page/1"),
        "redirect-long": _to(f"/page/0?{'x' * 60_000}"),
        "redirect-300": _to("/page/0", status=300),
        "redirect-304": _to("/page/0", status=304),
        "redirect-399": _to("/page/0", status=399),
    },
    to=_to,
)
