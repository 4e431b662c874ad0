"""The client that CoreOS had, for scripts that call it."""
