"""Which numbers of users and groups belong to images, and which to machines.

Files on the state partition belong to numbers. An update may bring accounts
that a machine did not have, so the two sides take theirs from ranges that do
not meet.

Source: Debian Policy 9.2.2 (0 to 99 and 65534 are fixed by Debian, 100 to 999
are for system accounts).
"""

from __future__ import annotations

LOCAL_SYSTEM_IDS = range(300, 900)
"""System accounts that a machine makes for itself."""

LOGIN_ID = 1000
"""The image's one account for people, ``core``."""

LOCAL_LOGIN_IDS = range(LOGIN_ID + 1, 60001)
"""People's accounts that a machine makes for itself."""

_IMAGES = (range(101, 300), range(900, 1000))
IMAGES_TEXT = " or ".join(f"{ids[0]} to {ids[-1]}" for ids in _IMAGES)
"""For messages."""

_NOBODY = 65534


def is_debians(number: int) -> bool:
    """Whether Debian fixes the number: base-passwd's accounts, the group users, nobody."""
    return number in range(101) or number == _NOBODY


def is_images(number: int) -> bool:
    """Whether only an image's definition may hand the number out."""
    return any(number in ids for ids in _IMAGES)
