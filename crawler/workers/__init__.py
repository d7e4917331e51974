"""Run parsers: in the engine itself, in threads, processes or interpreters."""
