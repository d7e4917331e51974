"""Starting and watching this package's processes; shared by all that start any."""
