"""The server: sockets, processes, time, counters; what it answers is given to it."""
