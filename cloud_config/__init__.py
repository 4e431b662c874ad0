"""First-boot configuration; not built yet, see docs/limits.md."""
