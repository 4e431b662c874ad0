"""What all tests share."""

import signal

from hypothesis import HealthCheck, settings

_GZIP = b"\x1f\x8b"  # RFC 1952, 2.3.1
_KEY = "AAAA"  # how the base64 of an SSH key begins: three bytes of a length

# A deadline, or the time that examples take, would measure what else the machine does.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

# A shell starts what it puts into the background with interrupts ignored, and programs hand
# that on: a test that interrupts one would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name what differs between workers by its size: data with a time in it, and keys."""
    if isinstance(val, bytes) and val.startswith(_GZIP):
        return f"gzip of {len(val)} bytes"
    if isinstance(val, str) and _KEY in val:
        return f"key of {len(val)} characters"
    return None
