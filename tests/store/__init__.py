"""Tests of `crawler.store`: real files, pipes, archives and a full disk."""
