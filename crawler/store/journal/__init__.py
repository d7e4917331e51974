"""The journal of a crawl, by which it goes on after it was killed: nothing lost, nothing twice."""
