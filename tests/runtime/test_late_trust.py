"""Trust that is read late: the same in the end, none before, and nobody else's."""

from __future__ import annotations

import ssl
import subprocess
import sys
import threading

import pytest

from crawler.runtime import late_trust

SETTINGS = ("verify_mode", "check_hostname", "options", "verify_flags", "minimum_version")


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> list[ssl.SSLContext]:
    """The contexts whose stores were filled, in order."""
    contexts: list[ssl.SSLContext] = []

    def fill(context: ssl.SSLContext) -> None:
        contexts.append(context)

    monkeypatch.setattr(ssl.SSLContext, "set_default_verify_paths", fill, raising=False)
    return contexts


def test_the_context_is_the_librarys_own() -> None:
    """Its settings and, once anybody looks, its certificates are those of the default context."""
    ours, theirs = late_trust.client_context(), ssl.create_default_context()
    for name in SETTINGS:
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.cert_store_stats() == theirs.cert_store_stats()
    assert ours.get_ca_certs() == theirs.get_ca_certs()


@pytest.mark.parametrize("use", ["wrap_bio", "wrap_socket"])
def test_the_store_is_filled_once_before_the_first_connection(
    filled: list[ssl.SSLContext], use: str
) -> None:
    """Not when the context is made, and not for the second connection."""
    context = late_trust.client_context()
    assert filled == []
    for _ in range(2):
        with pytest.raises(TypeError):
            getattr(context, use)()  # nothing to wrap
        assert filled == [context]


def test_threads_that_connect_first_wait_for_the_store(filled: list[ssl.SSLContext]) -> None:
    """Whoever comes first fills it, and nobody connects before."""
    context = late_trust.client_context()
    threads = [threading.Thread(target=context.cert_store_stats) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert filled == [context]


def test_an_import_postpones_what_it_makes_and_nothing_else(filled: list[ssl.SSLContext]) -> None:
    """A context of another thread is filled at once, and so is one that is made afterwards."""
    others: list[ssl.SSLContext] = []
    with late_trust.importing("no_such_library"):
        mine = ssl.create_default_context()
        thread = threading.Thread(target=lambda: others.append(ssl.create_default_context()))
        thread.start()
        thread.join()
    assert filled == others
    later = ssl.create_default_context()
    assert filled == [*others, later]
    mine.cert_store_stats()
    assert filled == [*others, later, mine]


@pytest.mark.slow
def test_aiohttp_verifies_as_ever() -> None:
    """Imported by a crawl, it trusts what it trusts when others import it; nothing is left over."""
    script = (
        "import ssl;"
        "from crawler.runtime import late_trust;"
        "enter = late_trust.importing('aiohttp');"
        "enter.__enter__(); import aiohttp.connector as made; enter.__exit__(None, None, None);"
        "plain = ssl.create_default_context();"
        "assert 'set_default_verify_paths' not in vars(ssl.SSLContext);"
        "found = [each for each in vars(made).values() if isinstance(each, ssl.SSLContext)];"
        "assert found and all(vars(each) for each in found);"
        "stats = [each.cert_store_stats() for each in found];"
        "assert stats == [plain.cert_store_stats()] * len(found), stats"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
