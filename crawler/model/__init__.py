"""Values only: URLs, requests, responses, outcomes, configuration, errors."""
