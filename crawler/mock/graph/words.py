"""The words of the graph: sections and slugs of paths, titles in many scripts, sentences.

Sections are never names of plain paths, prefixes or traps. Characters beyond ASCII are there on
purpose: a client that gets a charset or an escape wrong shows it in a title or a URL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from crawler.mock.graph.draw import draw

SECTIONS = (
    "news", "guides", "archive", "products", "forum", "people", "events", "recipes",
    "travel", "science", "music", "letters", "maps", "reviews", "questions", "history",
)  # fmt: skip

_SLUGS = (
    "autumn", "bridge", "candle", "delta", "engine", "forest", "garden", "harbour", "island",
    "journey", "kettle", "lantern", "meadow", "needle", "orchard", "paper", "quarry", "river",
    "saddle", "tunnel", "umbrella", "valley", "window", "yellow", "grüße", "façade", "señal",
    "smörgås", "привет", "日本語", "서울", "it's~fine",
)  # fmt: skip
# WHATWG URL keeps ' and ~ in a path and percent-encodes characters beyond ASCII.
SLUGS = tuple(quote(slug, safe="'~") for slug in _SLUGS)


@dataclass(frozen=True, slots=True)
class Script:
    """The encoding and words of some pages.

    name: the Encoding Standard's; label: as declared in the page; codec: Python's, which writes
    what the standard reads; words: for titles; bom: a byte order mark replaces the declaration.
    """

    name: str
    label: str
    codec: str
    language: str
    words: tuple[str, ...]
    bom: bool = False


_WESTERN = ("Zürich", "Café", "Ångström", "Señal", "Straße", "Façade", "Naïveté", "Smörgås")
_CYRILLIC = ("Привет", "Погода", "Музыка", "Дорога", "Книга", "Сердце", "Зима", "Река")
_JAPANESE = ("東京", "日本語", "カメラ", "さくら", "電車", "天気", "音楽", "物語")
_KOREAN = ("서울", "한국어", "날씨", "음악", "여행", "도시", "겨울", "이야기")
_CHINESE = ("北京", "天气", "音乐", "城市", "旅行", "故事", "冬天", "图书")
_POLISH = ("Łódź", "Gdańsk", "Źródło", "Święto", "Żółty", "Ćwiczenie", "Mąka", "Pięć")
_GREEK = ("Αθήνα", "Καιρός", "Μουσική", "Δρόμος", "Βιβλίο", "Καρδιά", "Χειμώνας", "Ποτάμι")

UTF8 = (
    Script("utf-8", "utf-8", "utf-8", "de", _WESTERN),
    Script("utf-8", "UTF-8", "utf-8", "ru", _CYRILLIC),
    Script("utf-8", "utf8", "utf-8", "ja", _JAPANESE),
    Script("utf-8", "utf-8", "utf-8", "el", _GREEK, bom=True),
)
OTHERS = (
    Script("windows-1252", "windows-1252", "cp1252", "fr", _WESTERN),
    Script("windows-1252", "iso-8859-1", "cp1252", "es", _WESTERN),
    Script("windows-1251", "windows-1251", "cp1251", "ru", _CYRILLIC),
    Script("koi8-r", "koi8-r", "koi8-r", "ru", _CYRILLIC),
    Script("shift_jis", "Shift_JIS", "cp932", "ja", _JAPANESE),
    Script("euc-jp", "euc-jp", "euc-jp", "ja", _JAPANESE),
    Script("euc-kr", "euc-kr", "cp949", "ko", _KOREAN),
    Script("gbk", "gb2312", "gbk", "zh", _CHINESE),
    Script("iso-8859-2", "iso-8859-2", "iso-8859-2", "pl", _POLISH),
    Script("windows-1253", "windows-1253", "cp1253", "el", _GREEK),
    Script("utf-16le", "utf-16", "utf-16-le", "ru", _CYRILLIC, bom=True),
    Script("utf-16be", "utf-16", "utf-16-be", "zh", _CHINESE, bom=True),
)

_SYLLABLES = (
    "ba", "ce", "di", "fo", "gu", "ha", "ki", "lo", "mu", "na", "pe", "ri", "so", "ta", "ve", "zo",
    "bran", "clor", "dres", "flin", "grom", "hest", "kran", "lind", "morn", "plat", "quen", "rost",
    "stil", "trum", "vond", "wick",
)  # fmt: skip
_VOCABULARY = 4096
_SENTENCES = 2048
_WORDS = 12
_SHORTEST = 44  # characters of a sentence, which is longer; a space follows
_PARAGRAPH = 600
_REVISIONS = 3


def prose(seed: int, label: str, size: int) -> str:
    """Return `size` characters of ASCII sentences that follow from seed and label.

    Sentences come from a store of 2,048: two pages have few in common, so that only intended
    near-duplicates look like them.
    """
    store = _sentences(seed)
    picked = draw(f"{seed}/prose/{label}", size // _SHORTEST + 1)
    return " ".join([store[drawn % _SENTENCES] for drawn in picked])[:size]


def paragraphs(text: str) -> Iterator[str]:
    """Yield the text in parts of some 600 characters, cut between words."""
    start = 0
    while start < len(text):
        cut = text.find(" ", start + _PARAGRAPH)
        end = cut if cut >= 0 else len(text)
        yield text[start:end]
        start = end + 1


def revised(seed: int, label: str, text: str) -> str:
    """Return `text` with a few of its words changed, by the label."""
    words = text.split(" ")
    for drawn in draw(f"{seed}/revised/{label}", _REVISIONS):
        words[drawn % len(words)] = f"revised{drawn % 1000}"
    return " ".join(words)


@lru_cache(maxsize=4)
def _sentences(seed: int) -> tuple[str, ...]:
    """Return the sentences of all pages of a seed, some 150 KB."""
    vocabulary = [
        "".join(_SYLLABLES[drawn >> shift & 31] for shift in range(0, 5 * (1 + drawn % 3), 5))
        for drawn in draw(f"{seed}/vocabulary", _VOCABULARY)
    ]
    picked = [
        vocabulary[drawn % _VOCABULARY] for drawn in draw(f"{seed}/sentences", _SENTENCES * _WORDS)
    ]
    rows = (picked[start : start + _WORDS] for start in range(0, len(picked), _WORDS))
    sentences = (" ".join(row).capitalize() + "." for row in rows)
    return tuple(sentence.ljust(_SHORTEST, ".") for sentence in sentences)
