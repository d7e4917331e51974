"""An archive goes on in further files, and is one output all the same."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from crawler.model.choices import Existing
from crawler.model.errors import ConfigurationError
from crawler.store.outlet import Outlet
from crawler.store.volumes import volume, volumes_of
from tests.store.test_warc_output import archived

GROUPS = [bytes([letter]) * 6 for letter in b"abcdefg"]


def head(name: str) -> bytes:
    return b"<%d>" % len(name)


def opened(path: Path, existing: Existing = "refuse", *, resumed: bool = False) -> Outlet:
    """An archive whose files have two groups each, as a third one comes after `most` bytes."""
    return Outlet(str(path), existing, resumed=resumed, head=head, forms=(".warc",), most=12)


def contents(path: Path) -> list[bytes]:
    return [Path(each).read_bytes() for each in volumes_of(str(path))]


def written(path: Path, groups: list[bytes], existing: Existing = "refuse") -> list[int]:
    """Write groups, and return the place after each."""
    places = []
    with closing(opened(path, existing)) as outlet:
        for group in groups:
            outlet.write(group, 1)
            outlet.settle(os.fsync)
            places.append(outlet.written)
        assert outlet.size == outlet.written and outlet.records == len(groups)
        outlet.end()
    return places


def test_a_full_file_is_followed_by_another(tmp_path: Path) -> None:
    """The first keeps the name, each has a head of its own, and places count all bytes."""
    path = tmp_path / "x.warc"
    places = written(path, GROUPS[:4])
    assert contents(path) == [b"<6>aaaaaabbbbbb", b"<12>ccccccdddddd"]
    assert places == [9, 15, 25, 31]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["x-00001.warc", "x.warc"]


@pytest.mark.parametrize("kept", range(7))
def test_it_goes_on_at_any_place_that_was_committed(tmp_path: Path, kept: int) -> None:
    """What came later is cut off, with the files that it had begun; the rest is as without."""
    path = tmp_path / "x.warc"
    places = written(path, GROUPS)
    whole = contents(path)
    with closing(opened(path, resumed=True)) as outlet:
        outlet.rewind(places[kept])
        assert sum(map(len, contents(path))) == outlet.written == places[kept]
        for group in GROUPS[kept + 1 :]:
            outlet.write(group, 1)
        outlet.end()
    assert contents(path) == whole


def test_nobody_elses_file_is_written_over(tmp_path: Path) -> None:
    """Not one that is there at the start, nor one that comes later; what is to go goes."""
    path = tmp_path / "x.warc"
    written(path, GROUPS[:3])
    path.unlink()
    with pytest.raises(ConfigurationError, match=r"x-00001\.warc exists already"):
        opened(path)
    assert not path.exists()
    other = Path(volume(str(path), 1)).read_bytes()
    Path(volume(str(path), 1)).unlink()
    with closing(opened(path)) as outlet:
        for group in GROUPS[:2]:
            outlet.write(group, 1)
        Path(volume(str(path), 1)).write_bytes(other)
        with pytest.raises(FileExistsError):
            outlet.write(GROUPS[2], 1)
    assert contents(path) == [b"<6>aaaaaabbbbbb", other]
    written(path, GROUPS[:1], "replace")
    assert contents(path) == [b"<6>aaaaaa"]


def test_the_last_file_is_added_to(tmp_path: Path) -> None:
    """A head is not written again."""
    path = tmp_path / "x.warc"
    places = written(path, [each + b"\n" for each in GROUPS[:3]])
    assert len(places) == 3
    assert written(path, [GROUPS[3]], "add") == [places[-1] + 6]
    assert contents(path)[1] == b"<12>cccccc\ndddddd"


@pytest.mark.slow
def test_a_crawl_into_several_files_has_one_receipt_and_one_index(tmp_path: Path) -> None:
    """Every file begins with what it is, and the index leads into all of them."""
    path = tmp_path / "out.warc.gz"
    archived(path, warc_size=1)
    receipt = json.loads(Path(f"{path}.receipt.json").read_bytes())
    before = [Path(each).stat().st_size for each in volumes_of(str(path))]
    archived(path, warc_size=1, append=True, cdxj=True)
    files = list(map(Path, volumes_of(str(path))))
    assert [each.name for each in files[:2]] == ["out.warc.gz", "out-00001.warc.gz"]
    assert receipt["bytes"] == sum(before) and len(before) < len(files)
    for each in files:
        with each.open("rb") as file:
            first = next(iter(ArchiveIterator(file)))
            assert first.rec_type == "warcinfo"
            assert first.rec_headers.get_header("WARC-Filename") == each.name
    lines = Path(f"{path}.cdxj").read_bytes().splitlines()
    named = [json.loads(line.split(b" ", 2)[2])["filename"] for line in lines]
    assert set(named) == {each.name for each in files} and len(named) == 12
