"""Units over a cluster; not built yet, see docs/limits.md."""
