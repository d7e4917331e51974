"""The catalogue of all that the mock web can do to a client, for a list and for `/__faults`."""

from __future__ import annotations

from collections.abc import Iterator

from crawler.mock.faults import FAULTS, PREFIXES
from crawler.mock.graph.robots_forms import FORMS
from crawler.mock.graph.trap_pages import TRAPS
from crawler.mock.reply import CatalogueEntry
from crawler.mock.server.certificates import TLS_FAULTS

_SITEMAPS = (
    ("index", "/sitemap.xml", "An index of all parts; robots.txt names it."),
    ("part", "/sitemap-0.xml", "Pages of a part with an even number."),
    ("gzip", "/sitemap-1.xml.gz", "Pages of a part with an odd number, by gzip."),
    ("text", "/sitemap.txt", "URLs, one a line."),
    ("rss", "/sitemap-rss.xml", "RSS 2.0."),
    ("atom", "/sitemap-atom.xml", "Atom 1.0."),
    ("broken", "/sitemap-broken.xml", "An undeclared entity, then it ends in mid-tag."),
    ("loop", "/sitemap-loop.xml", "An index of itself and loop-back."),
    ("loop-back", "/sitemap-loop-back.xml", "An index of loop and itself."),
    ("bomb", "/sitemap-bomb.xml", "Entities that grow to 10 GB."),
)
_SINGLE = (
    ("page", "/page/N", "A flat page; 404 beyond the last."),
    ("private", "/private/N", "The same, below a path that robots.txt forbids by default."),
    ("status", "/status/CODE", "That status, 200 to 999."),
    (
        "retry",
        "/status/503?retry-after=V",
        "With Retry-After: V, or date:+S for the date S seconds from now.",
    ),
    ("redirect", "/redirect/K", "A chain of K redirects to a page."),
    ("redirect-loop", "/redirect-loop", "A redirect to itself."),
    ("redirect-to", "/redirect-to?url=U", "A redirect to U, with &status=CODE if not 302."),
    ("bytes", "/bytes/N", "N bytes, up to 1 GiB."),
    ("flaky", "/flaky/K/NAME", "503 for the first K requests, then a page."),
    ("etag", "/etag/NAME", "A text that never changes: ETag, Last-Modified and 304."),
    ("charset", "/charset/NAME", "A page in that charset; ?declare=header|meta|both|none."),
    ("echo-headers", "/echo-headers", "The request's header fields as JSON."),
    ("nonhtml", "/nonhtml", "A body that is not HTML and is declared so."),
)


def catalogue() -> Iterator[CatalogueEntry]:
    """Yield faults by group, then traps, forms of robots.txt, sitemaps, TLS, paths, prefixes."""
    for fault in FAULTS.values():
        yield CatalogueEntry(f"Faults, {fault.group}", fault.name, fault.path, fault.help)
    for trap in TRAPS.values():
        yield CatalogueEntry("Traps", trap.name, trap.path, trap.help)
    for form in FORMS.values():
        yield CatalogueEntry("Forms of robots.txt (--robots-forms)", form.name, "", form.help)
    for row in _SITEMAPS:
        yield CatalogueEntry("Sitemaps", *row)
    for name, told in TLS_FAULTS:
        address, _, text = told.partition(": ")
        yield CatalogueEntry("TLS faults (--tls), by address", name, address, text)
    for row in _SINGLE:
        yield CatalogueEntry("Single answers", *row)
    for prefix in PREFIXES.values():
        yield CatalogueEntry("Prefixes of any path", prefix.name, prefix.path, prefix.help)
