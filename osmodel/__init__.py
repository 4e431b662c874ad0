"""Pure vocabulary and on-disk formats: no I/O, no clock, no randomness."""
