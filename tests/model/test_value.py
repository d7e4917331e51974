"""Values behave as the frozen dataclasses that they stand for."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import pytest

from crawler.model.value import value


@value(frozen=True, slots=True)
class Base:
    """Two fields, by position, one with a default."""

    name: str
    number: int = 7


@value(frozen=True, slots=True, kw_only=True)
class Child(Base):
    """More of them, of each kind, and a step after they are set."""

    items: list[int] = field(default_factory=list)
    secret: str = field(default="s", repr=False)
    note: str = field(default="n", compare=False)
    total: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", self.number + len(self.items))


@dataclass(frozen=True, slots=True)
class Like:
    """What the library makes of the first."""

    name: str
    number: int = 7


@value(frozen=True, slots=True, eq=False, repr=False)
class Own:
    """Has its own text, and is equal to itself alone."""

    name: str

    def __repr__(self) -> str:
        return f"<{self.name}>"


def test_a_value_is_made_shown_and_compared_like_a_dataclass() -> None:
    """Arguments, defaults, text, equality and errors are those of the library."""
    for kind in (Base, Like):
        made: Any = kind("a")
        assert (made.name, made.number) == ("a", 7) and made == kind(name="a", number=7)
        assert made != kind("b") and made != ("a", 7) and len({made, kind("a"), kind("b")}) == 2
        assert repr(made) == f"{kind.__name__}(name='a', number=7)"
        with pytest.raises(TypeError, match=r"__init__\(\) missing 1 required positional"):
            kind()  # type: ignore[call-arg]
    assert str(inspect.signature(Base)) == str(inspect.signature(Like))


def test_fields_keep_their_kind_in_a_subclass() -> None:
    """Factories, hidden fields, those that do not count, and what follows their setting."""
    made = Child("a", items=[1, 2])
    assert (made.total, made.secret) == (9, "s") and Child("b").items is not Child("b").items
    assert repr(made) == "Child(name='a', number=7, items=[1, 2], note='n', total=9)"
    assert made == Child("a", items=[1, 2], note="other") != Child("a", items=[1, 2], secret="t")
    assert made.__class__ is not Base and made != Base("a")


def test_a_value_is_copied_replaced_and_pickled() -> None:
    """What the library does with dataclasses it does with values."""
    made = Child("a", items=[1])
    assert replace(made, number=8).total == 9
    assert [each.name for each in fields(made)] == list(asdict(made))
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == made


def test_what_a_class_defines_itself_stays() -> None:
    """A class's own method goes before the shared one, and identity stays where it is asked for."""
    made = Own("x")
    assert repr(made) == "<x>" and made != Own("x") and len({made, made, Own("x")}) == 2
