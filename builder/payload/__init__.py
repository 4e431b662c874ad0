"""Full payloads: compress, cache and write."""
