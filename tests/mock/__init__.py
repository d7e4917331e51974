"""Tests of the mock web."""
