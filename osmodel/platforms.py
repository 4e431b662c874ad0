"""What an image is built for: a processor architecture, and how the machine boots.

A release, its payloads, an image's identity and its package lock all belong to
one such target and are refused on any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from osmodel.faults import InvalidInput

ARCHITECTURES = ("x86_64", "arm64")


class Platform(StrEnum):
    """How a machine boots."""

    UEFI = "uefi"
    """UEFI firmware and systemd-boot, which counts the tries."""

    RASPBERRYPI = "raspberrypi"
    """The board's firmware and U-Boot, whose script counts the tries."""


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of machine.

    Attributes:
        architecture: one of ``ARCHITECTURES``.
        platform: how it boots.
    """

    architecture: str = "x86_64"
    platform: Platform = Platform.UEFI

    def __post_init__(self) -> None:
        check(self.architecture, self.platform)

    @property
    def lock_name(self) -> str:
        """Name of the package lock, without suffix."""
        return self.architecture if self.platform is Platform.UEFI else self.platform.value

    @property
    def label(self) -> str:
        """The target in the name of a release's directory."""
        if self.platform is Platform.UEFI:
            return self.architecture
        return f"{self.architecture}-{self.platform}"


def check(architecture: str, platform: str) -> None:
    """Refuse a pair that no machine has.

    Raises:
        InvalidInput: unknown, or the two do not go together.
    """
    if architecture not in ARCHITECTURES:
        raise InvalidInput(
            f"architecture: {architecture!r} is not supported",
            hint=f"supported: {', '.join(ARCHITECTURES)}",
        )
    if platform not in list(Platform):
        raise InvalidInput(
            f"platform: {platform!r} is not supported", hint=f"supported: {', '.join(Platform)}"
        )
    if platform == Platform.RASPBERRYPI and architecture != "arm64":
        raise InvalidInput(
            f"platform: a Raspberry Pi is not an {architecture} machine", hint="use --arch arm64"
        )


TARGETS = (
    Target("x86_64"),
    Target("arm64"),
    Target("arm64", Platform.RASPBERRYPI),
)
"""Every target there is."""
