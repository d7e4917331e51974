"""How this package's own processes are started; shared by all that start any."""
