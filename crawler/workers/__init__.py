"""Who runs a parser: the engine itself, threads, processes or interpreters."""
