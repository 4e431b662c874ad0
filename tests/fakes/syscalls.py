"""Which of some system calls a piece of code makes, in order; nothing is replaced."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_WATCHED = {os.fsync: "fsync", os.replace: "rename", os.rename: "rename", os.unlink: "unlink"}


@contextmanager
def recorded_calls() -> Iterator[list[str]]:
    """The list fills while the block runs: ``fsync``, ``rename``, ``unlink``."""
    calls: list[str] = []

    def note(frame: FrameType, event: str, called: object) -> None:
        del frame
        if event == "c_call":
            name = next((name for one, name in _WATCHED.items() if one is called), None)
            if name is not None:
                calls.append(name)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(before)
