"""Everything that the mock web can do to a client, by name: for a list and for `/__faults`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class CatalogueEntry(NamedTuple):
    """One row: `group` (faults, traps, ...), `name`, `path` to ask for it if any, `help`."""

    group: str
    name: str
    path: str
    help: str

    @property
    def values(self) -> dict[str, str]:
        """The row as JSON has it."""
        return self._asdict()


def catalogue() -> Iterator[CatalogueEntry]:
    """Every fault by its group, then traps, forms of robots.txt, TLS faults, prefixes."""
    from crawler.mock.certificates import TLS_FAULTS
    from crawler.mock.faults import FAULTS
    from crawler.mock.prefixes import PREFIXES
    from crawler.mock.robots import FORMS
    from crawler.mock.traps import TRAPS

    for fault in FAULTS.values():
        yield CatalogueEntry(f"Faults, {fault.group}", fault.name, fault.path, fault.help)
    for trap in TRAPS.values():
        yield CatalogueEntry("Traps", trap.name, trap.path, trap.help)
    for form in FORMS.values():
        yield CatalogueEntry("Forms of robots.txt (--robots-forms)", form.name, "", form.help)
    for name, told in TLS_FAULTS:
        address, _, text = told.partition(": ")
        yield CatalogueEntry("TLS faults (--tls), by address", name, address, text)
    for prefix in PREFIXES.values():
        path = "/".join(["", prefix.name, *prefix.arguments])
        yield CatalogueEntry("Prefixes of any path", prefix.name, path, prefix.help)
