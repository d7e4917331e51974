"""The judge: the truth about the web, the rules of robots.txt, and the score of a crawler."""
