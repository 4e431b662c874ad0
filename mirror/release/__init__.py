"""Releases as `build-image` left them, and their signed payloads."""
