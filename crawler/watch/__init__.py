"""Those who watch a crawl: its log, its metrics, its page, its notices."""
