"""The judge: what a perfect crawl finds, what robots.txt allows, and how well a crawler did."""
