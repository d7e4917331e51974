"""From bytes to fields: charset, title, links; and who does it: executors behind one face."""
