"""Measurements against real peers, each made in the same run on the same machine."""
