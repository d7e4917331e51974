"""Dataclasses that are frozen to type checkers, and cost at runtime what plain classes do.

A frozen dataclass sets each field by a call of `object.__setattr__`: one of fifteen fields takes
four times as long to make. And the library compiles six methods for each class: a millisecond, for
a hundred classes at the start of a crawl. A `value` sets its fields plainly, its `__init__` is
compiled when the first one is made, and its other methods are shared.

Classes that users of the package fill in themselves, as configurations, are frozen dataclasses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, make_dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

__all__ = ["value"]

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:

    def value(
        *, frozen: bool, eq: bool = True, repr: bool = True, **options: bool
    ) -> Callable[[type[Any]], type[Any]]:
        """Return a decorator that makes a class with the options of `dataclass`."""

        def made(cls: type[Any]) -> type[Any]:
            own = frozenset(vars(cls))
            cls = dataclass(init=False, eq=False, repr=False, **options)(cls)
            methods = {"__init__": _Init(cls)}
            if repr:
                methods["__repr__"] = _repr
            if eq:
                methods |= _comparing(cls, hashed=frozen)
            for name, method in methods.items():
                if name not in own:
                    setattr(cls, name, method)
            return cls

        return made


class _Init:
    """The `__init__` of a class until it is asked for, by the first instance."""

    def __init__(self, cls: Any) -> None:
        self._cls = cls

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        self._cls.__init__ = made = _init_of(self._cls)
        return made.__get__(instance, owner)


def _init_of(cls: Any) -> Any:
    """Return what the library makes for these fields."""
    known = [
        (each.name, each.type, field(init=each.init, kw_only=each.kw_only, **_default(each)))
        for each in fields(cls)
    ]
    names = ("__doc__", "__post_init__")  # without a text the library would write one
    own = {name: getattr(cls, name) for name in names if hasattr(cls, name)}
    like: Any = make_dataclass(cls.__name__, known, namespace=own, eq=False, repr=False)
    return like.__init__


def _default(each: Any) -> dict[str, Any]:
    return {"default": each.default, "default_factory": each.default_factory}


def _comparing(cls: Any, *, hashed: bool) -> dict[str, Any]:
    """Return `__eq__` and `__hash__` over the fields that count."""
    names = [each.name for each in fields(cls) if each.compare]
    state: Callable[[object], Any] = attrgetter(*names) if names else lambda _value: ()

    def equal(self: object, other: object) -> Any:
        return state(self) == state(other) if other.__class__ is self.__class__ else NotImplemented

    def hash_of(self: object) -> int:
        return hash(state(self))

    return {"__eq__": equal, "__hash__": hash_of if hashed else None}


def _repr(self: Any) -> str:
    shown = [f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr]
    return f"{type(self).__qualname__}({', '.join(shown)})"
