"""The login manager: who is logged in, what forbids a restart, and the restart.

Source: org.freedesktop.login1(5) of systemd 257.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol, cast

from hostio.system.bus import Bus, MethodCall

_NAME = "org.freedesktop.login1"
_PATH = "/org/freedesktop/login1"
_MANAGER = "org.freedesktop.login1.Manager"


@dataclass(frozen=True, slots=True)
class Inhibitor:
    """A program that keeps the machine from something.

    Attributes:
        what: ``shutdown``, ``sleep`` ..., separated by colons.
        who: the program.
        why: its reason.
        mode: ``block`` forbids, ``delay`` asks for some seconds.
        user: number of its user.
        pid: its process.
    """

    what: str
    who: str
    why: str
    mode: str
    user: int
    pid: int

    @property
    def blocks_shutdown(self) -> bool:
        """Whether the machine must not restart while this is held."""
        return self.mode == "block" and "shutdown" in self.what.split(":")


class LoginManager(Protocol):
    """Port for the login manager; the fake is ``tests.fakes.logins.RamLogins``.

    All raise ``TransientFailure`` when it cannot be reached and ``CallRefused``
    when it says no.
    """

    def users(self) -> Sequence[str]:
        """Names of the users who are logged in."""
        ...

    def inhibitors(self) -> Sequence[Inhibitor]:
        """Everything that is held at the moment."""
        ...

    def inhibit(self, what: str, who: str, why: str, mode: str) -> AbstractContextManager[None]:
        """Hold an inhibitor as long as the block runs."""
        ...

    def reboot(self) -> None:
        """Begin an orderly restart; no user is asked for a password."""
        ...


class Login1:
    """The login manager at the other end of a bus; see :class:`LoginManager`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def users(self) -> Sequence[str]:
        """See :meth:`LoginManager.users`."""
        (rows,) = self._call("ListUsers")
        return [str(name) for _, name, _ in cast("Sequence[Sequence[object]]", rows)]

    def inhibitors(self) -> Sequence[Inhibitor]:
        """See :meth:`LoginManager.inhibitors`."""
        (rows,) = self._call("ListInhibitors")
        return [
            Inhibitor(str(what), str(who), str(why), str(mode), cast("int", user), cast("int", pid))
            for what, who, why, mode, user, pid in cast("Sequence[Sequence[object]]", rows)
        ]

    @contextmanager
    def inhibit(self, what: str, who: str, why: str, mode: str) -> Iterator[None]:
        """See :meth:`LoginManager.inhibit`."""
        (descriptor,) = self._call("Inhibit", "ssss", what, who, why, mode)
        try:
            yield
        finally:
            os.close(cast("int", descriptor))

    def reboot(self) -> None:
        """See :meth:`LoginManager.reboot`."""
        self._call("Reboot", "b", False)  # noqa: FBT003 - the argument "interactive"

    def _call(self, member: str, signature: str = "", *body: object) -> Sequence[object]:
        return self._bus.call(MethodCall(_NAME, _PATH, _MANAGER, member, signature, body))
