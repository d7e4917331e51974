"""URLs by the WHATWG URL standard.

A `Url` is always absolute, http or https, serialised and without fragment, so that two spellings of
one address are equal. Other text becomes an `InvalidUrl` with a reason: a value, because a bad line
in a list is not exceptional.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

import ada_url

from crawler.model.errors import ConfigurationError
from crawler.model.payload import Payload
from crawler.model.value import value

MAX_LENGTH = 65_536
"""Maximum length of a URL in characters; browsers and servers stop well below."""

TRACKING_PARAMETERS = (
    *("utm_*", "_ga", "_gl"),  # Google Analytics
    *("gclid", "gclsrc", "dclid", "gbraid", "wbraid", "gad_source", "gad_campaignid", "srsltid"),
    *("fbclid", "igshid", "igsh", "msclkid", "twclid", "ttclid", "li_fat_id", "epik", "rdt_cid"),
    *("yclid", "ysclid", "_openstat"),  # Yandex
    *("mc_cid", "mc_eid", "ml_subscriber", "ml_subscriber_hash"),  # mailings
    *("mkt_tok", "vero_id", "vero_conv", "oly_anon_id", "oly_enc_id", "_kx", "wickedid"),
    *("_hsenc", "_hsmi", "__hstc", "__hssc", "__hsfp", "hsctatracking"),  # HubSpot
    *("mtm_*", "pk_campaign", "pk_kwd", "pk_source", "pk_medium", "s_kwcid"),
)
"""Parameters stripped by browsers and their extensions (Firefox's query stripping, Brave,
ClearURLs), unless a site is known to show other pages for them; so not `ref`, `source` or `sid`.
"""

_PARAMETER = re.compile(r"[^&=#?*\s]+\*?")
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.\-]*):")
_HOST_AND_PORT = re.compile(r"[^/?#:@\\]+:\d+(?:[/?#\\]|$)")
_NO_HOSTS = frozenset(
    {"about", "blob", "data", "file", "ftp", "javascript", "mailto", "sms", "tel", "urn", "ws"}
)  # schemes found in real lists; `tel:5` is not a host with a port
_RESPELLED = re.compile(
    r"(?<!%)(?<!%[0-9A-Fa-f])"  # what follows half an escape would complete it
    r"(%(?:2[DEde]|3[0-9]|[46][1-9A-Fa-f]|5[0-9AFaf]|7[0-9AEae]))"  # unreserved: RFC 3986, 2.3
    r"|%(?:[a-f][0-9A-Fa-f]|[0-9A-F][a-f])"
)
_AFTER_HOST = re.compile(r"[/?#\\]")
_DOTS = ".\u3002\uff0e\uff61"  # dots by UTS 46
_NUMBERS = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)(?:\.(?:0[xX][0-9a-fA-F]*|[0-9]+))*\.?")
_IPV4 = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})")
_CREDENTIALS = re.compile(r"(?<=//)[^\s/?#]*@|(?<![^\s'\"])(?!mailto:)[^\s/:@'\"]+:[^\s/@'\"]+@")
_PLAIN_ORIGIN = re.compile(r"https?://(?!.*xn--)(?:[a-z0-9-]+\.)*[a-z][a-z0-9-]*")  # no IPv4
_PLAIN = re.compile(r"[A-Za-z0-9_~!$&()*+,;=:@/.%?-]*")  # never encoded after the host
_STRIPPED = "".join(map(chr, range(0x21)))  # C0 controls and space, WHATWG URL 4.4
_REMOVED = re.compile(r"[\t\n\r]+")  # anywhere, by the same section


def masked(text: str) -> str:
    """Return `text` with the credentials of its URLs masked, fit for logs and users."""
    return _CREDENTIALS.sub("***@", text) if "@" in text else text


@value(frozen=True, slots=True)
class Url:
    """An absolute http(s) URL: `href` is its WHATWG serialisation without fragment."""

    href: str

    def __repr__(self) -> str:
        return f"Url({masked(self.href)!r})"

    @property
    def host_key(self) -> str:
        """The scheme, host and port (`https://example.com`, `http://[::1]:80`), no credentials."""
        href = self.href
        end = href.index("/", 8)  # behind the scheme, and at least one character of the host
        at = href.rfind("@", 7, end)
        return href[: href.index("/") + 2] + href[at + 1 : end] if at > 0 else href[:end]

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return self.href[: self.href.index(":")]

    @property
    def host(self) -> str:
        """The host without port: `example.com`, `127.0.0.1`, `[::1]`."""
        authority = self.authority
        return authority if authority.endswith("]") else authority.rpartition(":")[0] or authority

    @property
    def hostname(self) -> str:
        """The host as a name or address to connect to: `example.com`, `::1`."""
        return self.host.strip("[]")

    @property
    def port(self) -> int:
        """The port, that of the scheme where the URL has none."""
        text = self.authority[len(self.host) + 1 :]
        return int(text) if text else 443 if self.scheme == "https" else 80

    @property
    def authority(self) -> str:
        """Host and port, without credentials; the scheme's own port is left out."""
        return self.host_key.partition("//")[2]

    @property
    def path(self) -> str:
        """The path with the query, as it is requested."""
        return self.href[self.href.index("/", 8) :]

    @property
    def fingerprint(self) -> int:
        """The 64-bit BLAKE2b hash of `equivalent`: the same in every process and run.

        Among n URLs two collide with a chance of about n^2 / 2^65: 3 in a million at 10 million.
        """
        return fingerprint(equivalent(self.href))


@value(frozen=True, slots=True)
class InvalidUrl:
    """Text that is not a URL for a crawler, and the reason."""

    text: str
    reason: str
    unsupported_scheme: bool = False

    @property
    def fingerprint(self) -> int:
        """The 64-bit BLAKE2b hash of the text."""
        return fingerprint(self.text)


class Seed(NamedTuple):
    """One entry of a URL list: the text as given and the URL read from it.

    `source` is its place in the list, with columns to copy, as JSON; b"" if not kept. `payload` is
    what its request carries next to the URL, if anything.
    """

    input: str
    url: Url | InvalidUrl
    source: bytes = b""
    payload: Payload | None = None

    @classmethod
    def read(cls, text: str) -> Seed:
        """Read one line (already stripped of its line end)."""
        return cls(text, parse(text))


_NOTHING = blake2b(digest_size=8)  # copied for each text, as making one costs more than hashing


def fingerprint(text: str) -> int:
    """Return the first 64 bits of BLAKE2b over `text` in UTF-8."""
    digest = _NOTHING.copy()
    digest.update(text.encode("utf-8", "surrogatepass"))
    return int.from_bytes(digest.digest())


class Tracking:
    """Query parameters that tell where a visitor came from but do not change the page.

    A trailing `*` is a wildcard; case is ignored. Raises `ConfigurationError` for an invalid name.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = tuple(names)
        for name in self.names:
            if not _PARAMETER.fullmatch(name):
                raise ConfigurationError(
                    f"tracking parameter {name!r}: expected a name, or a name with a trailing *"
                )
        choices = "|".join(map(_as_expression, self.names)) or r"(?!)"
        self._found = re.compile(rf"[?&](?:{choices})(?=[=&]|\Z)", re.IGNORECASE)

    def __repr__(self) -> str:
        return f"Tracking({', '.join(self.names)})"

    def without(self, href: str) -> str:
        """Return `href` without these parameters, and without `?` if nothing else is left.

        Other parameters keep their spelling and order.
        """
        mark = href.find("?")
        if mark < 0 or not self._found.search(href, mark):
            return href
        pairs = href[mark + 1 :].split("&")
        kept = "&".join([pair for pair in pairs if not self._found.match(f"&{pair}")])
        return f"{href[:mark]}?{kept}" if kept else href[:mark]


def equivalent(href: str) -> str:
    """Return the one spelling that stands for all equivalent spellings of a serialised URL.

    Escapes are `respelled`, and an empty query is removed.
    """
    if "%" in href:
        href = respelled(href)
    return href[:-1] if href[-1] == "?" and href.find("?") == len(href) - 1 else href


def respelled(text: str) -> str:
    """Undo escapes of unreserved characters, and write the others in upper case.

    RFC 3986, 6.2.2.1 and 6.2.2.2; `%2F` stays distinct from `/`.
    """
    return _RESPELLED.sub(_respelled, text)


def _respelled(escape: re.Match[str]) -> str:
    return chr(int(escape[0][1:], 16)) if escape[1] else escape[0].upper()


def canonical(url: Url, tracking: Tracking | None = None) -> str:
    """Return the form of `url` in the set of seen URLs; `url` itself is fetched as found.

    That is `equivalent`, without fragment and without `tracking` (default: `TRACKING`).
    """
    return (TRACKING if tracking is None else tracking).without(equivalent(url.href))


def _as_expression(name: str) -> str:
    return re.escape(name[:-1]) + "[^=&]*" if name.endswith("*") else re.escape(name)


def parse(text: str) -> Url | InvalidUrl:
    """Read `text` as people write URLs: a host without a scheme means `https://`."""
    if _is_plain(text):
        return Url(text)  # nearly all of a long list
    return _parse(text)


def serialised(text: str) -> str:
    """Return an absolute URL in its WHATWG serialisation; raises ValueError if invalid."""
    if _is_plain(text):
        return text
    href: str = ada_url.normalize_url(text)
    if href.startswith(("http://", "https://")):
        _learn(href)
    return href


_origins: set[str] = set()
"""Serialised origins of recently read URLs; any thread may add and look."""

_MOST_ORIGINS = 4_096


def _is_plain(text: str) -> bool:
    """Tell whether text is already serialised: its origin, and a path that needs no change.

    A path without a segment that begins with a dot or an escape has nothing to resolve.
    """
    end = text.find("/", 8)
    return (
        end > 0
        and (text[:end] in _origins or _is_plain_origin(text[:end]))
        and _PLAIN.fullmatch(text, end) is not None
        and "/." not in text
        and "/%" not in text
        and len(text) <= MAX_LENGTH
    )


def _is_plain_origin(origin: str) -> bool:
    """Tell whether an origin is serialised for sure: ASCII, lower case, a name without a port."""
    plain = _PLAIN_ORIGIN.fullmatch(origin) is not None
    if plain:
        _learn(f"{origin}/")
    return plain


def _learn(href: str) -> None:
    origin = href[: href.index("/", 8)]
    if "@" in origin:
        return
    if len(_origins) >= _MOST_ORIGINS:
        _origins.clear()
    _origins.add(origin)


def _parse(text: str) -> Url | InvalidUrl:
    text = text.strip(_STRIPPED)
    bare = _REMOVED.sub("", text)
    name = _scheme(bare)
    if not name and (reason := no_site(bare)):
        return InvalidUrl(text, reason)
    if not name:
        return _absolute(f"https:{bare}" if bare.startswith("//") else f"https://{bare}", text)
    if name not in ("http", "https"):
        return InvalidUrl(text, f"unsupported scheme {name[:32]!r}", True)
    return _absolute(bare, text)


def no_site(text: str) -> str:
    """Return the reason why text without a scheme is not a site; "" if it is.

    A word without a dot may name a host in some networks. Far more often it is a word, a number,
    or the value of a flag that takes none. Nor does `9.99` mean the address 9.0.0.99.
    """
    host = _AFTER_HOST.split(text.removeprefix("//"), maxsplit=1)[0]
    if not host.strip("."):
        return "no host, as in a path alone"  # for browsers `/a/b` would be the host a
    if text.startswith("//"):
        return ""
    if "@" in host:
        return "a mail address, or credentials without a scheme"
    if _NUMBERS.fullmatch(host) and not _IPV4.fullmatch(host):
        return f"a number; write http://{host[:64]}/ if it is an address"
    if any(dot in host for dot in _DOTS) or host.lower() == "localhost":
        return ""
    if host[0] == "[" or ":" in host or not host.isprintable() or " " in host:
        return ""  # an address, a port, or what no host can have
    return f"no dot in {host[:64]!r}; write http://{host[:64]}/ if it is a host"


def names_scheme(text: str) -> bool:
    """Tell whether the text has a scheme before the host."""
    return bool(_scheme(_REMOVED.sub("", text.strip(_STRIPPED))))


def _scheme(bare: str) -> str:
    found = _SCHEME.match(bare)
    name = found[1].lower() if found else ""
    return "" if name not in _NO_HOSTS and _HOST_AND_PORT.match(bare) else name


def join(base: Url, reference: str) -> Url | InvalidUrl:
    """Resolve `reference` (a `Location`, a link) against `base`."""
    if len(reference) > MAX_LENGTH:
        return InvalidUrl(reference[:128], f"longer than {MAX_LENGTH} characters")
    try:
        href: str = ada_url.join_url(base.href, reference)
    except (ValueError, UnicodeError):
        return InvalidUrl(reference, "not a valid URL")
    if len(href) > MAX_LENGTH:  # encoding makes three characters or more of one
        return InvalidUrl(reference[:128], f"longer than {MAX_LENGTH} characters")
    return _supported(href, reference)


def _absolute(candidate: str, text: str) -> Url | InvalidUrl:
    if len(text) > MAX_LENGTH:
        return InvalidUrl(text[:256], f"longer than {MAX_LENGTH} characters")
    try:
        href = serialised(candidate)
    except (ValueError, UnicodeError):
        return InvalidUrl(text, "not a valid URL")
    return _supported(href, text)


def _supported(href: str, text: str) -> Url | InvalidUrl:
    if not href.startswith(("http://", "https://")):
        return InvalidUrl(text, f"unsupported scheme {href.partition(':')[0][:32]!r}", True)
    return Url(href.partition("#")[0])


TRACKING = Tracking(TRACKING_PARAMETERS)
"""The parameters dropped by default."""
