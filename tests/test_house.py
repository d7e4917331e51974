"""The house's shape: no circles of imports, and a name stands for one thing."""

from __future__ import annotations

from tests.house import Module, chain, circles, graph, modules, shared_class_names
from tests.house import shared_file_names as file_names

FILES = modules()


def test_no_files_import_each_other() -> None:
    """Imports have no circles, in functions, too."""
    assert circles(graph(FILES)) == []


def test_the_mock_web_has_seven_floors_at_most() -> None:
    """The longest chain of imports between files of the mock web has seven files."""
    edges = {name: to for name, to in graph(FILES).items() if name.startswith("crawler.mock.")}
    assert len(chain(edges, "crawler.mock.")) <= 7


def test_a_file_name_stands_for_one_file() -> None:
    """No two files have the same name."""
    assert file_names(FILES) == {}


def test_a_class_name_stands_for_one_class() -> None:
    """No two classes have the same name."""
    assert shared_class_names(FILES) == {}


def test_the_checks_see_what_they_look_for() -> None:
    """Two files with one class that import each other, one within a function, are found."""
    one = Module(name="a.x.same", text="from a.y import same\nclass C: pass\n")
    two = Module(name="a.y.same", text="def late():\n    import a.x.same\nclass C: pass\n")
    assert circles(graph([one, two])) == [["a.x.same", "a.y.same"]]
    assert list(file_names([one, two])) == ["same"]
    assert list(shared_class_names([one, two])) == ["C"]
