"""TLS contexts that read the trusted certificates for their first connection, not when made.

Reading a system's store takes 50 ms of CPU, and aiohttp alone does so twice when it is imported. A
context from here has the same settings and the same trust: its store is filled before the first
handshake, or before somebody asks what is in it. Until then it trusts nobody, so that a way past
this module would refuse servers and never accept one.
"""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock, get_ident
from typing import Any

_FILL = "set_default_verify_paths"
_USES = ("wrap_bio", "wrap_socket", "cert_store_stats", "get_ca_certs")
_FILLING, _IMPORTING = Lock(), Lock()


def client_context() -> ssl.SSLContext:
    """Return what `ssl.create_default_context()` does, with its store still to be filled."""
    # Given a folder, it does not read the system's store; there is nothing below the null device.
    context = ssl.create_default_context(capath=os.devnull)
    _postpone(context)
    return context


@contextmanager
def importing(library: str) -> Iterator[None]:
    """Postpone the stores of the contexts that `library` makes while the block imports it.

    Contexts of other threads, and those made later, are left alone.
    """
    with _IMPORTING:
        if library in sys.modules:
            yield
            return
        thread = get_ident()
        fill = ssl.SSLContext.set_default_verify_paths
        replaced = vars(ssl.SSLContext).get(_FILL)  # None: the base class has it

        def postponed(context: ssl.SSLContext) -> None:
            if get_ident() == thread:
                _postpone(context)
            else:
                fill(context)

        setattr(ssl.SSLContext, _FILL, postponed)
        try:
            yield
        finally:
            if replaced is None:
                delattr(ssl.SSLContext, _FILL)
            else:
                setattr(ssl.SSLContext, _FILL, replaced)


def _postpone(context: ssl.SSLContext) -> None:
    for use in _USES:
        setattr(context, use, partial(_filled, context, use))


def _filled(context: ssl.SSLContext, use: str, *args: Any, **options: Any) -> Any:
    with _FILLING:  # another thread's first connection waits for the store
        if use in vars(context):
            context.load_default_certs()
            for each in _USES:
                delattr(context, each)
    return getattr(context, use)(*args, **options)
