"""One request to one response: two fetchers (asyncio, threads) with the same outcomes."""
