"""A login manager in memory: the fake of ``hostio.system.loginmanager.LoginManager``."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hostio.system.loginmanager import Inhibitor
from osmodel.faults import Fault


class RamLogins:
    """Users and inhibitors as a test sets them.

    Args:
        users: who is logged in.
        fault: what a restart ends with.
    """

    def __init__(self, users: Sequence[str] = (), fault: Fault | None = None) -> None:
        self.logged_in = list(users)
        self.held: list[Inhibitor] = []
        self.fault = fault
        self.reboots = 0

    def users(self) -> Sequence[str]:
        return list(self.logged_in)

    def inhibitors(self) -> Sequence[Inhibitor]:
        return list(self.held)

    @contextmanager
    def inhibit(self, what: str, who: str, why: str, mode: str) -> Iterator[None]:
        mine = Inhibitor(what, who, why, mode, 0, 1)
        self.held.append(mine)
        try:
            yield
        finally:
            self.held.remove(mine)

    def reboot(self) -> None:
        if self.fault is not None:
            raise self.fault
        self.reboots += 1
