"""What the engine does at each boot: outcome, health checks, blessing."""
