"""Decisions of the reboot manager: no I/O, no clock, no randomness."""
