"""What all tests share."""

from hypothesis import settings

_GZIP = b"\x1f\x8b"  # RFC 1952, 2.3.1

# A deadline would measure what else the machine does.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name compressed data by its size: its header has the time, which differs between workers."""
    if isinstance(val, bytes) and val.startswith(_GZIP):
        return f"gzip of {len(val)} bytes"
    return None
