"""Everything the engine can touch, as ports in one frozen value.

Only ``local`` fills it with real adapters; everything else gets what it needs
from here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from osmodel.faults import Fault, HostFailure

if TYPE_CHECKING:  # only names of types: status, asked often, loads none of it
    from hostio.disk.esp import Esp
    from hostio.disk.systemdisk import SystemDisk
    from hostio.files.dropins import Problem
    from hostio.files.statefiles import Archive, TextFile
    from hostio.net.fetch import ByteStream
    from hostio.system.clock import Clock
    from hostio.system.power import Power
    from hostio.system.runner import Runner
    from osmodel.hostidentity import HostIdentity
    from osmodel.repository import Offer, OfferedPayload
    from update_engine.bootcontrol.port import BootControl
    from update_engine.etc import Etc
    from update_engine.firmware import Firmware
    from update_engine.repository.keys import Trust
    from update_engine.settings import Settings
    from update_engine.store import Store

_log = logging.getLogger(__name__)


class Releases(Protocol):
    """Port for a verified repository; the fake is ``tests.fakes.ramsystem.RamReleases``."""

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
class EngineWorld:
    """The machine around the engine.

    Attributes:
        machine: which image, version and root runs.
        slot: the slot that runs, ``a`` or ``b``, for people; empty if unknown.
        settings: as configured, with defaults for what could not be used.
        problems: what could not be used.
        clock: time.
        runner: other programs.
        power: restarts the machine.
        lock: held while slots, ESP or state are changed; fails when taken.
        esp: mounts the ESP for as long as it is needed.
        disk: finds the system disk.
        firmware: a board's own firmware files; refuses where there are none.
        store: the engine's files.
        archive: records of failed boots.
        etc: the layers of /etc.
        releases: opens the repository; imports what is slow to import.
        reboot_wanted: ``/run/reboot-required``, for other programs.
        is_running: whether a process exists.
        pid: our own process id.
    """

    machine: HostIdentity
    slot: str
    settings: Settings
    problems: Sequence[Problem]
    clock: Clock
    runner: Runner
    power: Power
    lock: Callable[[], AbstractContextManager[None]]
    esp: Callable[[], AbstractContextManager[Esp]]
    disk: Callable[[], SystemDisk]
    firmware: Callable[[], Firmware]
    store: Store
    archive: Archive
    etc: Callable[[], Etc]
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

        On leaving, the entries are published for status, which mounts nothing.

        Raises:
            HostFailure: the ESP cannot be mounted.
        """
        from update_engine.bootcontrol.adapters import control_of  # noqa: PLC0415 - not for status

        with self.esp() as esp:
            control = control_of(esp, self.machine.platform)
            try:
                yield control
            except Fault:
                # Whatever was changed before is there; the fault counts for more.
                with suppress(Fault):
                    self.store.publish_entries(control.entries())
                raise
            self._publish(control)

    def _publish(self, control: BootControl) -> None:
        entries = control.entries()
        try:
            self.store.publish_entries(entries)
        except HostFailure as fault:
            # Only status reads them; nothing is undone for that.
            _log.warning("entries not published: %s", fault)
