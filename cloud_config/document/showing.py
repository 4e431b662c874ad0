"""What an operator wrote, made fit for a message."""

from __future__ import annotations

_LONGEST = 80


def shown(text: str) -> str:
    """One line, not too long, with nothing in it that a terminal obeys."""
    clean = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text[:_LONGEST])
    return clean + ("..." if len(text) > _LONGEST else "")
