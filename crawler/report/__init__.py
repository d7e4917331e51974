"""Pages, templates and drawings; shared by load and compare."""
