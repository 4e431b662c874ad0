"""Which entry boots next: one port, and an adapter for each kind of loader."""
