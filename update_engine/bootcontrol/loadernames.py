"""Boot control by file names: systemd-boot counts tries in them.

Every change is one rename or one removal. The loader takes the newest version
with tries left, so arming is placing a file, and a rollback marks the newer one
bad.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from osmodel.bootentry import BootEntry, armed, parse
from osmodel.faults import HostFailure, InvalidInput
from update_engine.bootcontrol.content import digest_of, entry_names, identity_of
from update_engine.core.entries import KnownEntry

if TYPE_CHECKING:
    from hostio.disk.esp import Esp, StagedFile
    from update_engine.bootcontrol.port import Arming


class LoaderNames:
    """See :class:`update_engine.bootcontrol.port.BootControl`.

    Args:
        esp: mounted.
    """

    def __init__(self, esp: Esp) -> None:
        self._esp = esp

    def entries(self) -> tuple[KnownEntry, ...]:
        """See :meth:`BootControl.entries`."""
        return tuple(self._known(name) for name in entry_names(self._esp))

    def _known(self, name: str) -> KnownEntry:
        entry, found = _parse_or_none(name), identity_of(self._esp, name)
        return KnownEntry(
            name,
            entry.assessment if entry else None,
            found.version if found else "",
            found.root_hash if found else "",
            promised=entry.version if entry else "",
        )

    def sweep(self) -> None:
        """See :meth:`BootControl.sweep`."""
        self._esp.sweep()

    def size(self, entry: KnownEntry) -> int:
        """See :meth:`BootControl.size`."""
        return self._esp.size(entry.name)

    def free_bytes(self) -> int:
        """See :meth:`BootControl.free_bytes`."""
        return self._esp.free_bytes()

    def readmit(self, entry: KnownEntry) -> None:
        """See :meth:`BootControl.readmit`; the name comes from the content."""
        self._esp.rename(entry.name, armed(entry.version, tries=1).filename)

    def remove(self, entry: KnownEntry) -> None:
        """See :meth:`BootControl.remove`."""
        self._esp.remove(entry.name)

    def stage(self) -> StagedFile:
        """See :meth:`BootControl.stage`."""
        return self._esp.stage()

    def arm(self, staged: StagedFile, target: Arming) -> None:
        """See :meth:`BootControl.arm`."""
        staged.place(armed(target.version).filename)

    def bless(self, entry: KnownEntry) -> None:
        """See :meth:`BootControl.bless`."""
        self._rename(entry, _named(entry).blessed())

    def switch(self, to: KnownEntry, away: KnownEntry, *, boots: int, on_trial: bool) -> None:
        """See :meth:`BootControl.switch`; the loader puts bad entries last.

        The tries come first: a cut between the two leaves ``away`` in its place.
        """
        if on_trial:
            self._rename(to, _named(to).retried())
        self._rename(away, _named(away).marked_bad(boots))

    def digest(self, entry: KnownEntry) -> str:
        """See :meth:`BootControl.digest`."""
        return digest_of(self._esp, entry.name)

    def _rename(self, entry: KnownEntry, to: BootEntry) -> None:
        if entry.name != to.filename:
            self._esp.rename(entry.name, to.filename)


def _parse_or_none(name: str) -> BootEntry | None:
    try:
        return parse(name)
    except InvalidInput:
        return None


def _named(entry: KnownEntry) -> BootEntry:
    found = _parse_or_none(entry.name)
    if found is None:
        raise HostFailure(f"boot entry {entry.name} has no name of ours")
    return found
