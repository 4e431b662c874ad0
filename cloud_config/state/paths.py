"""Where this program keeps what it knows."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

STATE = Path("/var/lib/cloud-config")
RUN = Path("/run/cloud-config")

RECORD = STATE / "state.json"
INSTANCE = STATE / "instance.json"
USER_DATA = STATE / "user-data"
STATUS = RUN / "status.json"
PENDING = RUN / "pending.json"
LOCK = RUN / "lock"

_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")


def once_directory(instance: str) -> Path:
    """What was done once for an instance.

    Args:
        instance: its id, which a platform may make of anything.
    """
    return STATE / "once" / _file_name(instance)


def once_file(instance: str, name: str) -> Path:
    """How far one of these things is; ``name`` may be anything as well."""
    return once_directory(instance) / _file_name(name)


def _file_name(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    return f"id-{digest[:32]}"
