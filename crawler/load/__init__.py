"""A load generator whose latencies can be believed."""
