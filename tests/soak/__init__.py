"""`make soak`: an endless list against a web that means harm, watched from outside."""
