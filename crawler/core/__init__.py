"""The deciding half: pure and synchronous. It is told the time and answers with a value."""
