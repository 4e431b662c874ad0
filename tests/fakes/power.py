"""A restart that is only counted: the fake of ``hostio.system.power.Power``."""

from osmodel.faults import Fault


class RamPower:
    """Remembers how it was asked.

    Args:
        fault: what an orderly restart ends with.
    """

    def __init__(self, fault: Fault | None = None) -> None:
        self.fault = fault
        self.reboots: list[str] = []

    def reboot(self) -> None:
        if self.fault is not None:
            raise self.fault
        self.reboots.append("orderly")

    def reboot_regardless(self) -> None:
        self.reboots.append("orderly" if self.fault is None else "forced")
