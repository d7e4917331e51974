"""`make bench`: the crawler's speed against its peers, measured in one go."""
