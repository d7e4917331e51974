"""Pages that are not HTML: small files of their type, with random bytes where allowed."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib

from crawler.mock.graph.node import Node
from crawler.mock.graph.words import prose

_SIDE = 16
_TEXT = 2000


def file(node: Node) -> bytes:
    """Return the bytes of a page of kind `file`: PDF, PNG, JSON, text or CSS without links."""
    text = prose(node.graph.seed, str(node.place.number), _TEXT)
    match node.file[0]:
        case "pdf":
            return b"%%PDF-1.4\n%b%b\n%%%%EOF\n" % (_noise(node, 2000), text.encode())
        case "png":
            return _png(node)
        case "json":
            return json.dumps({"page": node.place.number, "text": text}).encode()
        case "css":
            return f"/* {text} */\nbody {{ margin: 0 }}\n".encode()
        case _:
            return f"{text}\n".encode()


def _noise(node: Node, size: int) -> bytes:
    return hashlib.shake_128(f"{node.label}/file".encode()).digest(size)


def _png(node: Node) -> bytes:
    """Return a grey picture of 16 by 16 points (PNG, 3rd edition, section 11).

    It is stored uncompressed, because zlib's output depends on its version.
    """
    noise = _noise(node, _SIDE * _SIDE)
    rows = b"".join(b"\0" + noise[start : start + _SIDE] for start in range(0, len(noise), _SIDE))
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
