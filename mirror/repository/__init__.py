"""The repository on disk: made, published into, refreshed, looked at."""
