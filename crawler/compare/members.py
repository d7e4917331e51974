"""Several processes that do a work together, each its share, all at the same time.

A member is `python -m crawler.compare.members`, a fresh process that imports nothing of its
parent. It prepares and warms up like any work, and says so; when all are ready the watch starts and
they are told to go; when all are done it stops. Only then do they clean up, so that the watch can
still read what they cost.

    parent   job        go          end
    member        ready      done        answer
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Self

from crawler.compare.design import Done, Parameters, Watch
from crawler.runtime.companion import Companion, ProcessLine, companions


def together(function: str, shares: Sequence[Parameters], watch: Watch) -> list[Done]:
    """Return the outcome of each share, in order; `function` is `module:name`.

    Raises `RuntimeError` when a member ends early; why is on standard error.
    """
    with companions(__name__, len(shares), "the crew", blocked=()) as members:
        for member, share in zip(members, shares, strict=True):
            member.tell((function, dict(share)))
        for member in members:
            _expect(member, "ready")
        with watch:
            for member in members:
                member.tell("go")
            for member in members:
                _expect(member, "done")
        for member in members:
            member.tell("end")
        return [_answer(member) for member in members]


def _expect(member: Companion, word: str) -> None:
    if (heard := member.hear()) != word:
        raise RuntimeError(f"a process of the crew ended early: expected {word!r}, got {heard!r}")


def _answer(member: Companion) -> Done:
    done: Done | None = member.hear()
    if done is None:
        raise RuntimeError("a process of the crew ended without an answer")
    return done


class Gate:
    """A member's watch: it waits to be told, and lets the parent measure."""

    wall = 0.0
    cpu = 0.0

    def __init__(self, parent: ProcessLine) -> None:
        self._parent = parent

    def __enter__(self) -> Self:
        self._parent.tell("ready")
        self._wait("go")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        if kind is None:
            self._parent.tell("done")
            self._wait("end")

    def _wait(self, word: str) -> None:
        if self._parent.hear() != word:
            raise RuntimeError(f"the parent ended before it said {word}")


def main() -> None:
    """Be a member: do the job that the parent tells."""
    parent = ProcessLine.to_parent()
    function, parameters = parent.hear()
    module, _, name = function.partition(":")
    parent.tell(getattr(import_module(module), name)(parameters, Gate(parent)))


if __name__ == "__main__":
    main()
