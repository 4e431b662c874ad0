"""Locked Debian packages: where they come from, and the tools tree made of them."""
