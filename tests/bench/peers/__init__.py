"""The peers, each a script of its own: a Scrapy spider and a bare aiohttp loop."""
