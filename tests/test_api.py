"""The public API: every name is there, and none is loaded before it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import crawler


@pytest.mark.parametrize("name", crawler.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    """As an attribute, and the class's own name is the one it goes by."""
    found = getattr(crawler, name)
    assert getattr(found, "__name__", name) == name


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = crawler.nothing


def test_the_package_alone_loads_nothing() -> None:
    """Of its parts: pure modules can be imported where compiled libraries cannot."""
    told = "import sys, crawler; print([n for n in sys.modules if n.startswith('crawler.')])"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
