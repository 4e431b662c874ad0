"""What a ``#cloud-config`` says: reading, checking, substitution. Pure."""
