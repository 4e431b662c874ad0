"""What was done to this machine, kept so that it can be undone and shown."""
