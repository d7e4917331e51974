"""Every form of robots.txt: what is served, and what it amounts to."""

from __future__ import annotations

import gzip
import http.client
from contextlib import closing

import pytest

from crawler.mock import MockWeb, running
from crawler.mock.graph.robots_forms import FORMS, Stance, answer, form_of, rules, sitemap_lines
from crawler.mock.graph.site import answer as web_answer
from crawler.mock.judge.robots_rules import MAX_BYTES, Rules
from crawler.mock.reply import Answer, Ask, BodyFraming, Ending
from crawler.mock.scenario import ROBOTS_FORMS
from crawler.model.errors import ConfigurationError
from tests.patience import PATIENCE

# What the default lines say of each of these.
EXPECTED = {
    "/page/1": True, "/private/1": False, "/members/x": False, "/members/open/x": True,
    "/a.print": False, "/a.print?x": True,
}  # fmt: skip


def options_of(name: str, **values: object) -> MockWeb:
    return MockWeb.of({"robots_forms": (name,), "port": 8080, **values})


def served(options: MockWeb, target: str = "/robots.txt", host: str = "127.0.0.1:8080") -> Answer:
    return web_answer(Ask(target=target, host=host), options)


def followed(options: MockWeb) -> tuple[int, Answer]:
    """How many redirects it takes to an answer that is none, and that answer."""
    reply, hops, host = served(options), 0, "127.0.0.1:8080"
    while reply.status in (301, 302) and hops < 10:
        target = dict(reply.headers)["Location"]
        if target.startswith("http://"):
            host, _, target = target.removeprefix("http://").partition("/")
            target = f"/{target}"
        reply, hops = served(options, target, host), hops + 1
    return hops, reply


def verdicts(found: Rules) -> dict[str, bool]:
    return {target: found.allows("somebot/1.0", target) for target in EXPECTED}


@pytest.mark.parametrize("name", FORMS)
def test_what_a_form_amounts_to(name: str) -> None:
    """Forms with a text forbid what the lines say, however they write it; others all or nothing."""
    form, found = FORMS[name], verdicts(rules(options_of(name), 0))
    if form.taken is Stance.LINES and name not in ("empty", "html"):
        assert found == EXPECTED
    else:
        assert set(found.values()) == {form.taken is not Stance.CLOSED}
    assert rules(options_of(name), 0).allows("x", "/robots.txt")


@pytest.mark.parametrize("name", [n for n in FORMS if FORMS[n].taken is not Stance.CLOSED])
def test_what_is_served_says_the_same(name: str) -> None:
    """Whoever follows redirects and reads what is served comes to the same rules."""
    hops, reply = followed(options_of(name))
    body = reply.body
    if dict(reply.headers).get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    read = Rules.read(body) if reply.status == 200 else Rules()
    assert verdicts(read) == verdicts(rules(options_of(name), 0))
    wanted = {"redirect": 1, "redirect-host": 1, "redirects-5": 5, "redirects-6": 6,
              "redirect-loop": 10}  # fmt: skip
    assert hops == wanted.get(name, 0)


STATUSES = {
    "none": 404, "gone": 410, "unauthorized": 401, "forbidden": 403, "too-many": 429,
    "server-error": 500, "unavailable": 503,
}  # fmt: skip


@pytest.mark.parametrize("name", STATUSES)
def test_statuses(name: str) -> None:
    """A form that is a status has it, and 429 and 503 say when to come back."""
    reply = served(options_of(name))
    assert reply.status == STATUSES[name]
    assert ("Retry-After" in dict(reply.headers)) == (name in ("too-many", "unavailable"))


@pytest.mark.parametrize(
    ("name", "ending"),
    [("timeout", Ending.HANG), ("reset", Ending.RESET), ("empty-reply", Ending.CLOSE)],
)
def test_no_answer(name: str, ending: Ending) -> None:
    """Three forms send not a byte."""
    reply = served(options_of(name))
    assert (reply.pieces, reply.framing, reply.ending) == ((), BodyFraming.RAW, ending)


def test_cut_and_slow() -> None:
    """One promises more than it sends, the other takes a second."""
    cut, slow = served(options_of("cut")), served(options_of("slow"))
    assert cut.length is not None and cut.length > len(cut.body) > 0
    assert slow.body == served(options_of("plain")).body
    assert slow.delay + (len(slow.pieces) - 1) * slow.pause == pytest.approx(1.0)  # type: ignore[arg-type]


def test_the_limit_is_met_exactly() -> None:
    """`big` has its last rule end at 500 KiB, and another rule after it."""
    body = served(options_of("big")).body
    assert body[:MAX_BYTES].endswith(b"\nDisallow: /*.print$")
    assert len(body) > MAX_BYTES


def test_spellings() -> None:
    """Byte order mark, line ends, NUL and the rest are there as bytes."""
    bodies = {name: served(options_of(name)).body for name in FORMS}
    assert bodies["bom"].startswith(b"\xef\xbb\xbfUser-agent")
    assert b"\n" not in bodies["cr"] and b"\r" in bodies["cr"]
    assert bodies["crlf"].count(b"\r\n") == bodies["crlf"].count(b"\n") > 5
    assert not bodies["no-final-newline"].endswith(b"\n")
    assert b"\0" in bodies["nul"]
    assert bodies["utf-16"].decode("utf-16").startswith("User-agent: *\n")
    assert max(map(len, bodies["long-lines"].split(b"\n"))) >= 64 * 1024
    assert b"Crawl-delay: 1\n" in bodies["crawl-delay"]
    assert bodies["groups"].count(b"User-agent: *\n") == len(MockWeb().robots) - 1
    assert b"USER-AGENT" in bodies["case"] or b"uSER-aGENT" in bodies["case"]


def test_plain_begins_with_the_options_text() -> None:
    """The options' lines and then the sitemaps; the broken ones only with traps."""
    options = options_of("plain")
    lines = ("Sitemap: http://127.0.0.1:8080/sitemap.xml",)
    assert served(options).body.decode().splitlines() == [*options.robots, *lines]
    assert sitemap_lines(options, 0) == lines
    assert len(sitemap_lines(options_of("plain", traps=True), 0)) == 4


def test_hosts_take_the_forms_in_turn() -> None:
    """Host H has form H, round and round; each names its own sitemap, a stranger counts as 0."""
    options = MockWeb(
        hosts=3, authority="names", port=8080, robots_forms=("plain", "none"), domain="x.test"
    )
    assert [form_of(options, host).name for host in range(3)] == ["plain", "none", "plain"]
    assert b"http://h2.x.test:8080/sitemap.xml" in served(options, host="h2.x.test:8080").body
    assert served(options, host="h1.x.test:8080").status == 404
    assert served(options, host="stranger").body == served(options, host="h0.x.test:8080").body


def test_hops_may_be_asked_for_whatever_is_forbidden() -> None:
    """Who follows a redirect of robots.txt violates nothing."""
    found = rules(options_of("redirect", robots=("User-agent: *", "Disallow: /")), 0)
    assert found.allows("x", "/robots-hop/0/plain")
    assert not found.allows("x", "/")


@pytest.mark.parametrize(
    "path", ["/robots-hop", "/robots-hop/21/plain", "/robots-hop/x/plain", "/robots-hop/0/other"]
)
def test_wrong_hops(path: str) -> None:
    """A hop with a wrong argument is a 400."""
    assert served(MockWeb(), path).status == 400


def test_an_unknown_form_is_named() -> None:
    """A form that does not exist is an error of configuration that names it."""
    with pytest.raises(ConfigurationError, match="'redirects-4' is not a form"):
        options_of("redirects-4")


def test_answers_may_be_kept() -> None:
    """No form reads more than target and host."""
    for name in FORMS:
        ask = Ask(target="/robots.txt")
        answer(ask, options_of(name))
        assert ask.settled


@pytest.mark.parametrize("name", ["reset", "empty-reply", "cut"])
def test_broken_ends_over_a_socket(name: str) -> None:
    """A client of another maker sees an error of the connection, and the server goes on."""
    with running(MockWeb(robots_forms=(name,))) as web:
        for _ in range(2):
            with closing(
                http.client.HTTPConnection("127.0.0.1", web.port, timeout=PATIENCE)
            ) as client:
                client.request("GET", "/robots.txt")
                with pytest.raises((ConnectionError, http.client.HTTPException)):
                    client.getresponse().read()


def test_the_options_know_every_form() -> None:
    """The names that --robots-forms takes are those of the forms, in their order."""
    assert tuple(FORMS) == ROBOTS_FORMS
