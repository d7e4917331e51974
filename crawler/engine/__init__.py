"""Carries out the core's steps, on an event loop or in threads."""
