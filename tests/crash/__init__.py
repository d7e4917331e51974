"""Kill crawls in every write to the disk, and see that nothing is lost or repeated."""
