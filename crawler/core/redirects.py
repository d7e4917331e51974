"""Follow redirects: the next request of a chain, or the reason to stop.

A chain loops if it returns to a URL with the same cookies: the same request has been made before.
With other cookies the answer may differ, and often does.
"""

from __future__ import annotations

from dataclasses import replace

from crawler.core import cookies
from crawler.core.domain import SuffixList
from crawler.model.outcome import Page, Redirect
from crawler.model.payload import Payload
from crawler.model.request import KEEPING, Hop, Purpose, Request
from crawler.model.transfer import Exchange
from crawler.model.url import InvalidUrl, Url, join, masked


def onward(redirect: Redirect, most: int, now: float, suffixes: SuffixList) -> Request | str:
    """Return the request for the target of `redirect`, at most the `most`-th of its chain.

    Or return the reason why it cannot be followed.
    """
    request = redirect.request
    target = join(request.url, redirect.location)
    if isinstance(target, InvalidUrl):
        return f"redirect to {masked(target.text)[:200]!r}: {target.reason}"
    jar = _jar(redirect, suffixes)
    hop = Hop(
        url=request.url.href,
        status=redirect.exchange.status or 0,
        cookies=cookies.digest(request.cookies),
    )
    hops = (*request.hops, hop)
    answered = [each for each in hops if each.status]
    alike = _alike(answered) if request.payload is not None else answered
    if any(each.url == target.href and each.cookies == cookies.digest(jar) for each in alike):
        return f"redirect loop back to {masked(target.href)[:200]}"
    if len(answered) > most:
        return f"more than {most} redirects"
    onward = request.redirected(target, hops, jar, now)
    if hop.status in KEEPING and _leaves_behind(request.sending, onward):
        return f"redirect ({hop.status}) to another origin, where method and body are not sent"
    return onward


def _alike(hops: list[Hop]) -> list[Hop]:
    """Return the hops with the method of the request to come: after the first that made it GET."""
    turns = [number for number, hop in enumerate(hops, 1) if hop.status not in KEEPING]
    return hops[turns[0] :] if turns else hops


def _leaves_behind(payload: Payload | None, onward: Request) -> bool:
    """Tell whether the request onward lacks a method or a body that it would have to keep."""
    return payload is not None and bool(payload.mark) and onward.sending is None


def before(onward: Request, now: float) -> Redirect:
    """Return the redirect that led to a request, as far as its last hop tells."""
    *hops, last = onward.hops
    request = replace(
        onward, url=Url(last.url), hops=tuple(hops), attempts=max(1, onward.attempts - 1)
    )
    exchange = Exchange(status=last.status or None, started_at=now, archived=True)
    return Redirect(request=request, exchange=exchange, location=onward.url.href)


def of(page: Page) -> Redirect | None:
    """Return the redirect that the refresh of a page amounts to, or None."""
    leads = page.document.leads
    if leads is None or not leads.refresh:
        return None
    return Redirect(request=page.request, exchange=page.exchange, location=leads.refresh)


def _jar(redirect: Redirect, suffixes: SuffixList) -> cookies.Jar:
    """Return the chain's cookies after this answer; none for robots.txt."""
    request, exchange = redirect.request, redirect.exchange
    if request.purpose is Purpose.ROBOTS or not exchange.cookies:
        return request.cookies
    now = exchange.fetched_at
    return cookies.after(request.cookies, request.url, exchange.cookies, now, suffixes)
