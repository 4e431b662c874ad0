"""Everything the engine can touch, as ports in one frozen value.

Only the entry points (``cli``, ``service``, ``bootsteps``) fill it with real
adapters; everything below them gets what it needs from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hostio.disk.esp import Esp
from hostio.disk.systemdisk import SystemDisk
from hostio.files.statefiles import Archive, TextFile
from hostio.net.fetch import ByteStream
from hostio.system.clock import Clock
from hostio.system.runner import Runner
from osmodel.hostidentity import HostIdentity
from update_engine.settings import Settings
from update_engine.store import Memory

if TYPE_CHECKING:  # slow to import, and status needs none of them
    from osmodel.repository import Offer, OfferedPayload
    from update_engine.bootcontrol.port import BootControl
    from update_engine.firmware import Firmware
    from update_engine.repository.keys import Trust


class Releases(Protocol):
    """Port for a verified repository; the fake is ``tests.fakes.shelf``."""

    def refresh(self) -> tuple[Offer, ...]:
        """Fetch and verify the metadata; every release it lists.

        Raises:
            TransientFailure: the mirror cannot be reached.
            UntrustedData: expired, rolled back, or not signed by enough keys.
        """
        ...

    def trust(self) -> Trust:
        """Who may sign payloads, without asking the mirror."""
        ...

    def open(self, payload: OfferedPayload) -> ByteStream:
        """A payload of an offer, checked against the metadata as it is read."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """The machine around the engine.

    Attributes:
        machine: which image, version and root runs.
        settings: as configured.
        clock: time.
        runner: other programs.
        lock: held by whoever changes slots, ESP or state; fails when taken.
        esp: mounts the ESP for as long as it is needed.
        disk: finds the system disk.
        firmware: a board's own boot files; refuses where there are none.
        memory: the engine's files.
        archive: records of failed starts.
        releases: opens the repository; imports what is slow to import.
        reboot_wanted: ``/run/reboot-required``, for other programs.
        is_running: whether a process exists.
        pid: our own process id.
    """

    machine: HostIdentity
    settings: Settings
    clock: Clock
    runner: Runner
    lock: Callable[[], AbstractContextManager[None]]
    esp: Callable[[], AbstractContextManager[Esp]]
    disk: Callable[[], SystemDisk]
    firmware: Callable[[], Firmware]
    memory: Memory
    archive: Archive
    releases: Callable[[], Releases]
    reboot_wanted: TextFile
    is_running: Callable[[int], bool]
    pid: int

    def now(self) -> int:
        """Seconds since 1970."""
        return int(self.clock.now().timestamp())

    @contextmanager
    def boot(self) -> Iterator[BootControl]:
        """What boots next, for as long as it is looked at or changed.

        Raises:
            HostFailure: the ESP cannot be mounted.
        """
        from update_engine.bootcontrol.adapters import control_of  # noqa: PLC0415 - not for status

        with self.esp() as esp:
            yield control_of(esp, self.machine.platform)
