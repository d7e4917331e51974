"""What comes from files and what goes into them: URL lists, records, statistics."""
