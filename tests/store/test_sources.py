"""URL lists as people have them: plain, packed, damaged, endless, wrongly encoded."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.url import InvalidUrl, Seed, Url
from crawler.store.sources import IterableSource, UrlSource, refuse_overwrite
from tests.patience import PATIENCE

URLS = [f"http://a.example/{n}" for n in range(5)]
TEXT = "\n".join(URLS) + "\n"


def drained(source: UrlSource | IterableSource, most: int = 1000) -> list[Seed]:
    found: list[Seed] = []
    while part := source.read(most):
        assert len(part) <= most
        found += part
    source.close()
    return found


def read(*inputs: Path, seeds: Sequence[str] = (), **options: object) -> list[Seed]:
    config = CommandConfig(**options)  # type: ignore[arg-type]
    return drained(UrlSource(seeds, [str(path) for path in inputs], config))


def hrefs(seeds: list[Seed]) -> list[str]:
    return [
        seed.url.href if isinstance(seed.url, Url) else f"! {seed.url.reason}" for seed in seeds
    ]


def wrote(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.fixture
def pipe() -> Iterator[tuple[str, int]]:
    """A pipe as `<(command)` gives it: a name to read from and a descriptor to write to."""
    reader, writer = os.pipe()
    yield f"/dev/fd/{reader}", writer
    os.close(reader)


def test_seeds_come_first_then_the_inputs_in_their_order(tmp_path: Path) -> None:
    """Seeds of the command line precede the inputs, which keep their order."""
    one, two = wrote(tmp_path / "1", URLS[1]), wrote(tmp_path / "2", URLS[2])
    assert hrefs(read(one, two, seeds=[URLS[0]])) == URLS[:3]


def test_blank_lines_and_comments_are_skipped(tmp_path: Path) -> None:
    """Blank lines and comments are no entries, and entries are kept as they are spelled."""
    path = wrote(tmp_path / "list", "\n# no\n   \n  #no\na.example \n\t\n")
    assert read(path) == [Seed("a.example ", Url("https://a.example/"))]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_every_line_end_is_one(tmp_path: Path, end: str, last: bool) -> None:
    """LF, CRLF and CR end a line, and the last line needs none."""
    path = wrote(tmp_path / "list", end.join(URLS) + (end if last else ""))
    assert hrefs(read(path)) == URLS


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le-bom", "utf-16-be-bom"]
)
def test_encodings_with_a_mark_are_read(tmp_path: Path, encoding: str) -> None:
    """UTF-8 with and without its mark, UTF-16 and UTF-32 with theirs give the same URLs."""
    text = "\ufeff" + TEXT if encoding.endswith("-bom") else TEXT
    data = (text + "http://b\xfc.example/\u2028x\n").encode(encoding.removesuffix("-bom"))
    assert hrefs(read(wrote(tmp_path / "list", data))) == [
        *URLS,
        "http://xn--b-eha.example/%E2%80%A8x",
    ]


def test_half_a_character_at_the_end_of_utf_16_spoils_its_line_alone(tmp_path: Path) -> None:
    """An odd number of bytes in UTF-16 costs the last line, which is recorded as no UTF-8."""
    data = ("\ufeff" + TEXT + "http://x/").encode("utf-16-le") + b"a"
    assert hrefs(read(wrote(tmp_path / "list", data))) == [*URLS, "! not UTF-8"]


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        bytes(4096),
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\2X\0\0\1\x90\x08\6\0\0\0",
        b"\x7fELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0>\0",
        bytes(range(256)) * 16,
    ],
)
def test_what_is_no_text_is_refused_before_the_crawl(tmp_path: Path, data: bytes) -> None:
    """A binary file, or UTF-16 without its mark, is one clear error and nothing of it is read."""
    path = wrote(tmp_path / "list", data)
    with pytest.raises(
        EnvironmentFailure, match=r"list: is not text; give a list of URLs in UTF-8"
    ):
        UrlSource([], [str(path)], CommandConfig())


def test_a_binary_pipe_is_refused_when_it_is_read(pipe: tuple[str, int]) -> None:
    """A pipe cannot be looked at beforehand; its first read gives the same clear error."""
    source = UrlSource([], [pipe[0]], CommandConfig())
    os.write(pipe[1], bytes(100))
    os.close(pipe[1])
    with pytest.raises(EnvironmentFailure, match="is not text"):
        source.read(10)
    assert source.read(10) == []


def test_a_damaged_line_costs_itself_alone(tmp_path: Path) -> None:
    """A NUL or a byte that is no UTF-8 makes its line a record with a reason, and no other."""
    path = wrote(tmp_path / "list", b"http://a/\nhttp://a/\0b\nhttp://b\xe4.example/\nhttp://c/\n")
    assert hrefs(read(path)) == [
        "http://a/",
        "! contains a NUL character",
        "! not UTF-8",
        "http://c/",
    ]


@pytest.mark.slow
def test_a_line_of_a_megabyte_is_one_refusal_in_bounded_memory(tmp_path: Path) -> None:
    """Of an endless line only its first 256 characters are kept; its neighbours are read."""
    line = b"http://a.example/" + b"\xc3\xa4" * 16_000_000
    path = wrote(tmp_path / "list", URLS[0].encode() + b"\r\n" + line + b"\r\n" + URLS[1].encode())
    del line
    tracemalloc.start()
    seeds = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert hrefs(seeds) == [URLS[0], "! longer than 65536 characters", URLS[1]]
    assert seeds[1].input == ("http://a.example/" + "\xe4" * 256)[:256]
    assert peak < 3_000_000


def test_a_line_that_fits_into_a_block_but_into_no_url_is_cut_as_well(tmp_path: Path) -> None:
    """A line just above the longest URL gives the same short refusal as an endless one."""
    path = wrote(tmp_path / "list", "http://a/" + "x" * 65_536 + "\n" + URLS[0])
    seeds = read(path)
    assert [len(seed.input) for seed in seeds] == [256, len(URLS[0])]
    assert isinstance(seeds[0].url, InvalidUrl)


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".GZ", ".txt"])
@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_archives_of_several_parts_are_unpacked(tmp_path: Path, kind: str, suffix: str) -> None:
    """Several members or frames, empty and skippable ones too, are one text, whatever the name."""
    halves = TEXT[:30].encode(), b"", TEXT[30:].encode()
    if kind == "gzip":
        data = b"".join(map(gzip.compress, halves)) + bytes(512)
    else:
        skipped = b"\x5a\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"abc"
        data = skipped + skipped.join(map(zstandard.compress, halves))
    assert hrefs(read(wrote(tmp_path / f"list{suffix}", data))) == URLS


@pytest.mark.slow
@pytest.mark.parametrize("command", ["gzip", "zstd"])
def test_what_the_commands_pack_is_unpacked(tmp_path: Path, command: str) -> None:
    """Archives by the gzip and zstd commands are read, here with 200,000 lines."""
    urls = [f"http://a.example/{n}" for n in range(200_000)]
    path = wrote(tmp_path / "list", "\n".join(urls))
    try:
        with path.open() as plain, (tmp_path / "packed").open("wb") as packed:
            subprocess.run([command, "-1c"], stdin=plain, stdout=packed, check=True)
    except FileNotFoundError:
        pytest.skip(f"no {command} command here")
    assert [seed.input for seed in read(tmp_path / "packed")] == urls


@pytest.mark.slow
@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_truncated_archive_is_an_error_after_its_whole_lines(
    tmp_path: Path, pack: object
) -> None:
    """A truncated archive gives its whole lines first, then one error that names the file."""
    text = "".join(f"http://a.example/{os.urandom(8).hex()}\n" for _ in range(50_000))
    data: bytes = pack(text.encode())  # type: ignore[operator]
    other = wrote(tmp_path / "other", URLS[0])
    path = wrote(tmp_path / "list.packed", data[: len(data) * 2 // 3])
    source = UrlSource([], [str(path), str(other)], CommandConfig())
    found: list[Seed] = []
    with pytest.raises(EnvironmentFailure, match=r"list\.packed: the archive ends too early"):
        found.extend(seed for part in iter(lambda: source.read(1000), []) for seed in part)
    inputs = [seed.input for seed in found]
    assert 10_000 < len(inputs) < 50_000
    assert inputs == text.splitlines()[: len(inputs)]
    assert hrefs(drained(source)) == [URLS[0]]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("list.gz", b"http://a/\n", r"list\.gz: is not an archive"),
        ("list.zst", b"http://a/\n", r"list\.zst: is not an archive"),
        ("list.gz", b"\x1f\x8b\x08damaged, all of it", r"list\.gz: the archive is damaged"),
        ("list.zst", zstandard.MAGIC_NUMBER.to_bytes(4, "little") + b"\xff" * 40, "is damaged"),
    ],
)
def test_a_broken_archive_is_refused_before_the_crawl(
    tmp_path: Path, name: str, data: bytes, message: str
) -> None:
    """An archive that is none, or damaged from its start, ends the crawl before it begins."""
    path = wrote(tmp_path / name, data)
    with pytest.raises(EnvironmentFailure, match=message):
        UrlSource([], [str(path)], CommandConfig())


def test_rubbish_after_an_archive_is_an_error_after_its_lines(tmp_path: Path) -> None:
    """What follows a whole archive and is none is said, once the archive's lines were given."""
    path = wrote(tmp_path / "list.gz", gzip.compress(TEXT.encode()) + b"rubbish")
    source = UrlSource([], [str(path)], CommandConfig())
    assert hrefs(source.read(100)) == URLS
    with pytest.raises(EnvironmentFailure, match="something else follows the archive"):
        source.read(100)


@pytest.mark.slow
@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_an_archive_bomb_stays_small_in_memory(tmp_path: Path, pack: object) -> None:
    """An archive that unpacks to 200 MB of one line is read in a few megabytes."""
    data: bytes = pack(b"a" * 200_000_000)  # type: ignore[operator]
    path = wrote(tmp_path / "list", data)
    tracemalloc.start()
    seeds = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [len(seed.input) for seed in seeds] == [256]
    assert peak < 24_000_000


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file; check the name"),
        (lambda path: path.mkdir(), "is a directory; name a file of URLs"),
    ],
)
def test_wrong_names_are_refused_before_the_crawl(
    tmp_path: Path, make: object, message: str
) -> None:
    """A missing file and a directory are one clear line that names them."""
    make(tmp_path / "list")  # type: ignore[operator]
    with pytest.raises(EnvironmentFailure, match=f"list: {message}"):
        UrlSource([], [str(tmp_path / "list")], CommandConfig())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    """A file without read permission is one clear line before the crawl."""
    path = wrote(tmp_path / "list", TEXT)
    path.chmod(0)
    with pytest.raises(EnvironmentFailure, match="may not be read"):
        UrlSource([], [str(path)], CommandConfig())


@pytest.mark.parametrize("name", ["list", "list.csv", "list.jsonl", "list.gz", "list.zst"])
def test_an_empty_file_holds_no_urls(tmp_path: Path, name: str) -> None:
    """An empty file of any form is fine and holds nothing."""
    assert read(wrote(tmp_path / name, b"")) == []


def test_the_limit_counts_entries(tmp_path: Path) -> None:
    """`limit` ends reading after so many entries, bad ones and seeds included."""
    path = wrote(tmp_path / "list", "\n# no\nftp://x/\n" + TEXT)
    assert len(read(path, seeds=[URLS[0]], limit=4)) == 4
    assert len(drained(IterableSource(URLS, CommandConfig(limit=3)), most=2)) == 3


@pytest.mark.slow
def test_standard_input_is_lines_and_read_once(tmp_path: Path) -> None:
    """`-` reads standard input, and giving it twice is a usage error."""
    code = (
        "from crawler.store.sources import UrlSource\n"
        "from crawler.model.command_config import CommandConfig\n"
        "s = UrlSource([], ['-'], CommandConfig()); print(s.progress().bytes_total)\n"
        "while part := s.read(100): print(*(seed.input for seed in part), sep='\\n')"
    )
    arguments = [sys.executable, "-c", code]
    piped = subprocess.check_output(arguments, input=TEXT, text=True)
    assert piped.split() == ["None", *URLS]
    with wrote(tmp_path / "list", TEXT).open() as file:
        redirected = subprocess.check_output(arguments, stdin=file, text=True)
    assert redirected.split() == [str(len(TEXT)), *URLS]
    with pytest.raises(ConfigurationError, match="only once"):
        UrlSource([], ["-", "-"], CommandConfig())


def test_a_slow_pipe_is_heard_line_by_line(pipe: tuple[str, int]) -> None:
    """What a pipe has sent is handed on at once, before its writer sends more or ends."""
    source = UrlSource([], [pipe[0]], CommandConfig())
    os.write(pipe[1], b"http://a/\nhttp://")
    assert hrefs(source.read(100)) == ["http://a/"]
    os.write(pipe[1], b"b/\n# more\n")
    assert hrefs(source.read(100)) == ["http://b/"]
    os.close(pipe[1])
    assert source.read(100) == []
    assert source.progress().expected is None


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_closing_ends_a_read_that_waits(tmp_path: Path, suffix: str) -> None:
    """A reader that waits for a named pipe without a writer gets [] when the source is closed."""
    fifo = tmp_path / f"fifo{suffix}"
    os.mkfifo(fifo)
    source = UrlSource([], [str(fifo)], CommandConfig())
    answer: list[list[Seed]] = []
    reader = threading.Thread(target=lambda: answer.append(source.read(10)))
    reader.start()
    source.close()
    reader.join(timeout=PATIENCE)
    assert answer == [[]]


@pytest.mark.slow
def test_a_named_pipe_loses_nothing(tmp_path: Path) -> None:
    """A named pipe is neither opened nor read before the crawl, so it arrives whole."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    source = UrlSource([], [str(fifo)], CommandConfig())
    writer = threading.Thread(target=lambda: fifo.write_text(TEXT * 20_000))
    writer.start()
    assert len(drained(source)) == 100_000
    writer.join()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_list(tmp_path: Path) -> None:
    """A list of 5 MB is read in about a megabyte, and the progress adds up to all of it."""
    path = wrote(tmp_path / "list", "".join(f"http://a.example/{n:050}\n" for n in range(80_000)))
    tracemalloc.start()
    source = UrlSource([], [str(path)], CommandConfig())
    entries = 0
    while part := source.read(500):
        entries += len(part)
        if entries == 4_000:
            progress = source.progress()
            assert progress.share == pytest.approx(0.05, rel=0.1)
            assert progress.expected == pytest.approx(80_000, rel=0.01)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
    progress = source.progress()
    assert (progress.lines, progress.handed, progress.share) == (80_000, 80_000, 1.0)
    assert progress.bytes_read == progress.bytes_total == path.stat().st_size


def test_an_iterable_gives_every_item() -> None:
    """Every item of an iterable is an entry; its length is known where it has one."""
    source = IterableSource([*URLS, "", "# x"], CommandConfig())
    assert source.progress().expected == 7
    assert len(drained(source, most=2)) == 7
    assert hrefs(drained(IterableSource(iter(URLS), CommandConfig()))) == URLS


def test_wrong_items_are_errors_of_the_caller() -> None:
    """An item that is no text, and one text instead of a list, are said and not crawled."""
    with pytest.raises(TypeError, match="must be a str, not int"):
        IterableSource([5], CommandConfig()).read(10)  # type: ignore[list-item]
    with pytest.raises(ConfigurationError, match="give a list"):
        IterableSource("http://a/", CommandConfig())


def test_an_input_is_never_overwritten(tmp_path: Path) -> None:
    """Naming an input as the output, by whatever path, is refused before it is emptied."""
    path = wrote(tmp_path / "list", TEXT)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(ConfigurationError, match="is also an input"):
        refuse_overwrite(["-", str(path)], str(tmp_path / "link"))
    refuse_overwrite([str(path), "missing", "/dev/null"], str(tmp_path / "new"))
    refuse_overwrite([str(path)], "-")


@pytest.mark.slow
@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=40)),
    st.lists(st.integers(min_value=1, max_value=12), min_size=1),
)
def test_blocks_may_end_anywhere(texts: list[str], sizes: list[int]) -> None:
    """However the bytes are cut into blocks, the lines are the same."""
    from crawler.store.text import lines

    data = "\r\n".join(texts).encode()
    blocks, at = [], 0
    for size in sizes * (len(data) + 1):
        blocks.append(data[at : at + size])
        at += size
        if at >= len(data):
            break
    found = [line for part in lines(iter(blocks), 1000) for line in part]
    assert found == (texts if texts and texts[-1] else texts[:-1])
