"""Whom to believe: the root chain, the repository's metadata, where payloads come from."""
