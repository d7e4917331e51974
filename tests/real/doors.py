"""A page whose links lead to what the documentation itself has none of.

Directories without their slash, some of which are linked with it, too; directories without an
index, a page that is missing, queries, other spellings of a path, a file that is no page, another
host name of the same server, a link that is not to be followed, and a page with a `<base>` of
another place, most of whose links lead nowhere.
"""

DOORS = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Doors</title></head>
<body>
<ul>
<li><a href="/library">A directory that redirects</a>
<li><a href="/c-api">One that redirects to a page</a> which <a href="/c-api/">is linked, too</a>
<li><a href="install">One that redirects to what robots.txt may forbid</a>
<li><a href="/_images">One that redirects to what has no index</a>
<li><a href="/_static/">A directory without an index</a>
<li><a href="/nowhere.html">No page</a>
<li><a href="faq/general.html?first">A page with a query</a>
<li><a href="faq/general.html?second#top">The same with another</a>
<li><a href="/%6cibrary/json.html">A path with an escape</a>
<li><a href="/faq/../library/./re.html">A path around corners</a>
<li><a href="#here">This page</a>
<li><a href="/_sources/about.rst.txt">A text</a>
<li><a href="http://localhost/">Another host</a>
<li><a href="/_sources/bugs.rst.txt" rel="external NoFollow">Not to be followed</a>
<li><a href="/_sources/copyright.rst.txt" rel="nofollow">Not here,</a>
<a href="/_sources/copyright.rst.txt">but here</a>
</ul>
<map name="map"><area href="/big/0.html" alt="A page with a base"></map>
</body></html>
"""
