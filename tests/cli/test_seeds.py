"""Words on the command line that are no URLs, though they stand where those do."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler.cli import main
from crawler.cli.seeds import check


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("list.txt", "list.txt: is a file; did you mean -i list.txt?"),
        ("./list.txt", "is a file; did you mean -i ./list.txt?"),
        ("-i list.txt a.example", "a.example: is a file; did you mean -i a.example?"),
        ("--sitemap list.txt", "list.txt: is a file; did you mean -i list.txt?"),
        ("--sitemap off", "no dot in 'off'"),
        ("-- -", "to read standard input, say -i -"),
        ("./lost.txt", "no host, as in a path alone"),
        ("/lost/list", "no host, as in a path alone"),
        ("lost.txt", "lost.txt: no such file, and no site has such a name"),
        ("lists/lost.csv.gz", "no dot in 'lists'"),
        (
            "http://127.0.0.1:1/ --adapt off",
            "'off' is not a URL: no dot in 'off'; write http://off/",
        ),
        ("http://127.0.0.1:1/ --adapt off", "; --adapt takes no value, --no-adapt turns it off"),
        ("http://127.0.0.1:1/ --follow false", "; --follow takes no value, leave it out"),
        ("http://127.0.0.1:1/ -q 1", "'1' is not a URL: a number"),
        ("intranet/page", "no dot in 'intranet'; write http://intranet/"),
        ("me@a.example", "a mail address"),
    ],
)
def test_what_is_no_url_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    problem: str,
) -> None:
    """A list without its -i and a value behind a flag are one line and exit code 2 (L7, FO5)."""
    monkeypatch.chdir(tmp_path)
    for name in ("list.txt", "a.example"):
        (tmp_path / name).write_text("http://127.0.0.1:1/\n")
    assert main(["crawl", *words.split()]) == 2
    out, err = capsys.readouterr()
    assert problem in err and err.count("\n") == 1 and not out


@pytest.mark.slow
def test_the_flag_before_the_word_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of several flags it is the one that the word stands behind (FO5)."""
    words = ["crawl", "-q", "--allow-private", "--adapt", "off", "http://127.0.0.1:1/"]
    monkeypatch.setattr("sys.argv", ["crawler", *words])
    assert main(words) == 2
    err = capsys.readouterr().err
    assert err.endswith("; --adapt takes no value, --no-adapt turns it off\n")
    assert "--quiet" not in err and "--allow-private" not in err


@pytest.mark.parametrize(
    "seed", ["localhost:1", "localhost/x", "http://off/", "off:1", "127.0.0.1", "[::1]/", "a.test"]
)
def test_what_is_a_url_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: str) -> None:
    """A host with a port, localhost, an address, and a host that is also a directory here."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.test").mkdir()
    check([seed], {}, {})
