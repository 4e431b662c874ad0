"""Publish, sign and serve releases; never installed on a host."""
