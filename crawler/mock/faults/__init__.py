"""The catalogue of faults: misbehaviour of servers, each with a name and a path.

`/fault/NAME/REST` is the answer of `/REST` broken in that way (of `/page/0` without a rest). A few
are legal and merely rare; their help says so. All are pure functions, so a fault is always the same
bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crawler.mock.faults import encoding, framing, header, hostile_body, redirection, tcp
from crawler.mock.faults.prefixes import PLAIN, Prefix
from crawler.mock.faults.recipe import FaultRecipe, Rows
from crawler.mock.reply import Answer, Ask, PathError
from crawler.mock.scenario import MockWeb


def by_name(**groups: Rows) -> dict[str, FaultRecipe]:
    """Return the faults of all groups by their names; raise ValueError if two have one name."""
    faults = [FaultRecipe(*row, group) for group, rows in groups.items() for row in rows]
    found = {fault.name: fault for fault in faults}
    if len(found) != len(faults):
        raise ValueError("two faults have one name")
    return found


FAULTS: Mapping[str, FaultRecipe] = by_name(
    connection=tcp.FAULTS,
    head=header.FAULTS,
    framing=framing.FAULTS,
    coding=encoding.FAULTS,
    redirect=redirection.FAULTS,
    content=hostile_body.FAULTS,
)


def _fault(arguments: Sequence[str], inner: Answer, ask: Ask, options: MockWeb) -> Answer:
    fault = FAULTS.get(arguments[0])
    if fault is None:
        raise PathError(f"expected one of the faults {', '.join(FAULTS)}")
    return fault.make(inner, ask, options)


PREFIXES: Mapping[str, Prefix] = {
    **PLAIN,
    "fault": Prefix("fault", "A fault of the catalogue.", _fault, ("NAME",)),
}

__all__ = ["FAULTS", "PREFIXES", "FaultRecipe"]
