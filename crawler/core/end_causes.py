"""Causes of failures for a summary: an example and the usual reason of each kind.

The usual reason is found by the space-saving algorithm (Metwally, Agrawal and El Abbadi, 2005) in a
few slots per kind, however many reasons there are: any reason of more than one in `SLOTS` failures
of a kind is among them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crawler.model.url import masked
from crawler.model.value import value

SLOTS = 8
_MOST_TEXT = 300  # maximum characters of an example or reason


@value(frozen=True, slots=True, kw_only=True)
class Cause:
    """The failures of one kind: an example of the URLs that failed for the usual `reason`."""

    number: int
    url: str
    reason: str


@dataclass(slots=True)
class _Slot:
    count: int
    url: str


@dataclass(slots=True)
class CauseTally:
    """Counts the reasons of one kind."""

    number: int = 0
    _slots: dict[str, _Slot] = field(default_factory=dict)

    def add(self, url: str, reason: str) -> None:
        """Count a failure."""
        self.number += 1
        reason = reason[:_MOST_TEXT]
        slot = self._slots.get(reason)
        if slot is not None:
            slot.count += 1
            return
        inherited = 0
        if len(self._slots) >= SLOTS:  # the rarest makes room; its count is inherited as the error
            rarest = min(self._slots, key=lambda known: self._slots[known].count)
            inherited = self._slots.pop(rarest).count
        self._slots[reason] = _Slot(inherited + 1, masked(url)[:_MOST_TEXT])

    def cause(self) -> Cause:
        """Return the cause of the kind; needs at least one `add`."""
        reason, slot = max(self._slots.items(), key=lambda item: item[1].count)
        return Cause(number=self.number, url=slot.url, reason=reason)
