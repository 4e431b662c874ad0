"""What can go wrong on purpose, sorted by whose turn it is next.

The kind of a fault decides retrying, the exit status and the wording of a
status line, whichever module noticed it. Bugs are not faults: a broken
invariant stays an ``AssertionError`` and ends the process with a traceback.
"""

from __future__ import annotations

from typing import ClassVar


class Fault(Exception):  # noqa: N818 - a kind of outcome; its children name it
    """Base of the four kinds; only they are raised.

    Args:
        message: one line, lower case, no full stop, naming the offending value.
        hint: the next step, shown to operators on a line of its own.
    """

    kind: ClassVar[str]
    exit_status: ClassVar[int]

    def __init__(self, message: str, *, hint: str = "") -> None:
        if type(self) is Fault:
            raise TypeError("raise one of the four kinds, not Fault")
        super().__init__(message)
        self.hint = hint


class InvalidInput(Fault):
    """The operator asked for something that cannot be done: explain, never retry."""

    kind = "invalid-input"
    exit_status = 2


class UntrustedData(Fault):
    """Bytes failed a signature, hash, expiry or rollback check: reject for good."""

    kind = "untrusted-data"
    exit_status = 3


class TransientFailure(Fault):
    """A mirror, a service or another process is down or busy: the same call may succeed later."""

    kind = "transient"
    exit_status = 75  # EX_TEMPFAIL of sysexits.h


class HostFailure(Fault):
    """This machine could not do it: a tool, a device, no space left."""

    kind = "host"
    exit_status = 74  # EX_IOERR of sysexits.h
