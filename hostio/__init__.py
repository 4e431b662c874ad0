"""Ports to the outside world and one real adapter for each."""
