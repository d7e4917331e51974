"""What carries the core's steps out: on an event loop, or in threads."""
