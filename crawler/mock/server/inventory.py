"""The catalogue of all that the mock web can do to a client, for a list and for `/__faults`."""

from __future__ import annotations

from collections.abc import Iterator

from crawler.mock.faults import FAULTS, PREFIXES
from crawler.mock.graph import plain_paths, sitemap_files
from crawler.mock.graph.robots_forms import FORMS
from crawler.mock.graph.trap_pages import TRAPS
from crawler.mock.reply import CatalogueEntry
from crawler.mock.server.certificates import TLS_FAULTS


def catalogue() -> Iterator[CatalogueEntry]:
    """Yield faults by group, then traps, forms of robots.txt, sitemaps, TLS, paths, prefixes."""
    for fault in FAULTS.values():
        yield CatalogueEntry(f"Faults, {fault.group}", fault.name, fault.path, fault.help)
    for trap in TRAPS.values():
        yield CatalogueEntry("Traps", trap.name, trap.path, trap.help)
    for form in FORMS.values():
        yield CatalogueEntry("Forms of robots.txt (--robots-forms)", form.name, "", form.help)
    for name, path, text, _ in sitemap_files.ROWS:
        yield CatalogueEntry("Sitemaps", name, path, text)
    for name, told in TLS_FAULTS:
        address, _, text = told.partition(": ")
        yield CatalogueEntry("TLS faults (--tls), by address", name, address, text)
    for name, path, text, _ in plain_paths.ROWS:
        yield CatalogueEntry("Single answers", name, path, text)
    for prefix in PREFIXES.values():
        yield CatalogueEntry("Prefixes of any path", prefix.name, prefix.path, prefix.help)
