"""Dataclasses that are frozen to type checkers, and cost at runtime what plain classes do.

A frozen dataclass sets each field by a call of `object.__setattr__`: one of fifteen fields takes
four times as long to make. `value` leaves that out where thousands are made a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

__all__ = ["value"]

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:

    def value(
        *, frozen: bool, eq: bool = True, **options: bool
    ) -> Callable[[type[Any]], type[Any]]:
        """Return a decorator that makes a class with the options of `dataclass`."""
        return dataclass(eq=eq, unsafe_hash=frozen and eq, **options)
