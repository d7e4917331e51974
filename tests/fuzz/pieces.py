"""What inputs are built from: the words that each path knows, and whole inputs to begin with."""

from __future__ import annotations

import gzip
from typing import Final

_ODD: Final = (
    *(b"\0", b"\x1b[31m", b"\x7f", b"\xc2\x85", b"\xc2\x9b", b"\xe2\x80\xa8", b"\xe2\x80\xae"),
    *(b"\xed\xa0\x80", b"\xff", b"\xef\xbb\xbf", b"\xfe\xff", b"\t", b"\r", b"\n", b" ", b"\xc3"),
)

_HTML: Final = (
    *(b"<a href=", b"<a rel=nofollow href='", b'<area href="', b"<base href=", b"<title>", b"<p>"),
    *(b"</title>", b"<meta name=robots content=", b"<meta charset=", b"<link rel=canonical href="),
    *(b"<html lang=", b"<template>", b"</template>", b"<svg>", b"<math>", b"<select>", b"</a>"),
    *(
        b"<!--",
        b"-->",
        b"<![CDATA[",
        b"]]>",
        b"<script>",
        b"</script>",
        b"<textarea>",
        b"<frameset>",
    ),
    *(
        b"nofollow",
        b"none",
        b"&amp;",
        b"&#x1b;",
        b"&#xd800;",
        b"&lt",
        b"'",
        b'"',
        b">",
        b"/>",
        b"<",
    ),
    *(b"http://b.example/", b"//", b"../", b"?q=1&utm_source=x", b"#f", b"text/html", b"|", b"\\"),
)

_MESSAGES: Final = (
    *_ODD,
    *(
        b"HTTP/1.1 200 OK",
        b"HTTP/1.0",
        b" 103 ",
        b" 204 ",
        b"\r\n",
        b"\r\n\r\n",
        b"\n\n",
        b"\r",
    ),
    *(
        b"Content-Length: 5\r\n",
        b"Content-Length",
        b" : ",
        b": 5, 5\r\n",
        b"Connection: close\n",
    ),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\n", b"hello", b"\n folded"),
    *(
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"0\r\n",
        b"000a;x=y\n",
        b"0x5\r\n",
        b"-1\n",
        b"X: y\r\n",
    ),
)

PIECES: Final[dict[str, tuple[bytes, ...]]] = {
    "urls": (
        *_ODD,
        *(b"http://", b"https:", b"//", b"/", b"\\", b"..", b".", b"%2e", b"%", b"%41", b"@", b":"),
        *(
            b"[::1]",
            b"[",
            b"]",
            b"a.example",
            b"0x7f.1",
            b"1.2.3.4",
            b"xn--",
            b"?",
            b"#",
            b"&",
            b"=",
        ),
        *(b":80", b":99999", b"utm_source=1", b"javascript:", b"mailto:", b"\xc3\xbc", b"user:pw@"),
        *(
            b"\xe3\x80\x82",
            b"\xc2\xad",
            b"PHPSESSID=0123456789abcdef",
            b";",
            b"(",
            b"|",
            b'"',
            b"<",
        ),
    ),
    "robots": (
        *_ODD,
        *(
            b"User-agent: ",
            b"user agent ",
            b"Disallow: ",
            b"Allow: ",
            b"Crawl-delay: ",
            b"Sitemap: ",
        ),
        *(b"*", b"$", b"crawler", b"/", b"/a", b"%2F", b"%", b"?", b"#", b":", b"1.5", b"\xc3\xbc"),
        *(b"http://a.example/", b"/robots.txt", b"**", b"a" * 40, b"99999999999"),
    ),
    "sitemaps": (
        *_ODD,
        *(b"<?xml version='1.0'?>", b"<urlset>", b"<sitemapindex>", b"<url>", b"<loc>", b"</loc>"),
        *(b"</url>", b"</urlset>", b"<sitemap>", b"</sitemap>", b"<rss>", b"<item>", b"<link>"),
        *(b"<feed xmlns='http://www.w3.org/2005/Atom'>", b"<entry>", b"<link href='", b"'/>"),
        *(b"<!DOCTYPE x [", b"<!ENTITY a 'b'>", b"&a;", b"&#27;", b"]>", b"<![CDATA[", b"]]>"),
        *(b"http://a.example/", b"/x", b"\x1f\x8b\x08", b"encoding='utf-16'", b"charset=koi8-r"),
    ),
    "headers": (
        *_ODD,
        *(b"Content-Length:", b"Transfer-Encoding:", b"chunked", b"Content-Encoding:", b"gzip"),
        *(b"Retry-After:", b"Location:", b"Content-Type:", b"X-Robots-Tag:", b"crawler:", b"none"),
        *(b"text/html", b";charset=", b'"', b"\\", b",", b"12", b"-1", b"9" * 19, b"301", b"503"),
        *(b"Wed, 21 Oct 2015 07:28:00 GMT", b" +9999", b" -0000", b"http://", b"/x", b"//", b"@"),
        *(b"unavailable_after: 1", b"\xc2\xb2", b"\xd9\xa1", b"0x10", b"99:99:99", b"99999999"),
    ),
    "messages": _MESSAGES,
    "connections": _MESSAGES,
    "charsets": (
        *_ODD,
        *(b"<meta charset=", b"koi8-r", b"utf-16", b"<meta http-equiv=content-type content='"),
        *(b"charset", b"=", b"'", b'"', b">", b"<?xml encoding='", b"text/html;charset=", b"big5"),
        *(b"shift_jis", b"iso-2022-jp", b"\x1b$B", b"\x1b(J", b"gb18030", b"\x81\x30\x81\x30"),
        *(b"\x8e\xa1", b"replacement", b"x-user-defined", b"hz-gb-2312", b"<!--", b"-->", b"</a"),
    ),
    "html": (*_ODD, *_HTML),
}
"""Words by target; atheris gets them as its dictionary."""

SEEDS: Final[dict[str, tuple[bytes, ...]]] = {
    "urls": (
        b"http://user:pw@a.example:8080/dir/../x;y?q=1&utm_source=a#f\n../z?b",
        b"a.example\n//b.example/\xc3\xbc",
        b"HTTP:\\\\[::ffff:1.2.3.4]:80\\a\n?x",
    ),
    "robots": (
        b"/a/b?c\nUser-agent: *\nDisallow: /a/*$\nAllow: /a/b\nCrawl-delay: 1.5\nSitemap: /s.xml\n",
        b"/\xc3\xbc\r\nuser-agent:crawler\rdisallow:/%C3%BC\r#x\r",
    ),
    "sitemaps": (
        b"application/xml\n<?xml version='1.0'?><urlset><url><loc>http://a.example/1</loc></url>",
        b"text/plain\nhttp://a.example/1\nhttp://a.example/2\n",
        b"\n<rss><channel><item><link>/x</link></item></channel></rss>",
        b"\n<feed xmlns='http://www.w3.org/2005/Atom'><entry><link href='/x'/></entry></feed>",
        b"\n" + gzip.compress(b"<sitemapindex><sitemap><loc>/s</loc></sitemap>", mtime=0),
    ),
    "headers": (
        b"503\nRetry-After: Wed, 21 Oct 2035 07:28:00 GMT\nContent-Type: text/html;charset=utf-8",
        b"301\nLocation: //b.example/x\nContent-Length: 5",
        b"200\nX-Robots-Tag: crawler: nofollow, noindex\nTransfer-Encoding: chunked",
    ),
    "connections": (
        b"\x10\x20\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
        b"\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"\x07\x03\nHTTP/1.1 404 Gone\r\nConnection: close\r\n\r\nuntil the end",
        b"\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\n",
    ),
    "messages": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: a\r\n b\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 103 Hi\n\nHTTP/1.1 200\nTransfer-Encoding: chunked\n\n5;x\nhello\r\n0\nX: y\n\n",
        b"\r\nHTTP/1.0 404 Gone\nConnection: keep-alive\nno colon\n\nuntil the end",
    ),
    "charsets": (
        b"text/html\n<meta charset=koi8-r>\xcd\xcf",
        b"\n<?xml version='1.0' encoding='euc-jp'?>\xa4\xa2",
        b'text/html;charset="big5"\n\xa4\xa4',
    ),
    "html": (
        b"text/html\n<!doctype html><html lang=de><title>&amp;</title><base href=/q/><a href=x?y>",
        b"\n<meta name=robots content=noindex><link rel=canonical href=c><a href='x?y#z'>t</a>",
        b"text/html;charset=shift_jis|crawler: nofollow\n<a rel=nofollow href=1><a href=2>x",
        b'\n<template><a href=1></template><svg><title>i</title></svg><a href="\x1b[0m">',
    ),
}
"""Whole inputs by target."""
