"""Reboot coordination between hosts; not built yet, see docs/limits.md."""
