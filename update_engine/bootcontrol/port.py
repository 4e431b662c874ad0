"""The port through which engine and initrd decide what boots next.

A machine has at most two entries, one for each slot. The adapters translate
what is wanted into what the machine's loader reads: file names where
systemd-boot counts, state files where U-Boot's script counts. No other module
knows either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from hostio.disk.esp import StagedFile
    from update_engine.core.entries import KnownEntry


class Arming(NamedTuple):
    """What is to boot next.

    Attributes:
        version: of the image, as text.
        slot: it was written to, ``a`` or ``b``.
    """

    version: str
    slot: str


class BootControl(Protocol):
    """The entries of one machine; tests run both adapters by one contract.

    Entries are handed out by ``entries`` and handed back to the other methods;
    after a change they are old. Every change is durable when a method returns
    and leaves, wherever the power fails, the state before or after it.
    ``HostFailure`` is raised when the medium refuses.
    """

    def entries(self) -> tuple[KnownEntry, ...]:
        """Every kernel image the loader may start, with what it holds."""
        ...

    def sweep(self) -> None:
        """Delete abandoned files, and mend the loader's own bookkeeping."""
        ...

    def size(self, entry: KnownEntry) -> int:
        """Bytes that removing ``entry`` gives back."""
        ...

    def free_bytes(self) -> int:
        """Room left for a new kernel image."""
        ...

    def readmit(self, entry: KnownEntry) -> None:
        """Give an entry without an assessment one try."""
        ...

    def remove(self, entry: KnownEntry) -> None:
        """Make sure that ``entry`` can not boot; its slot may be written afterwards."""
        ...

    def stage(self) -> StagedFile:
        """Start a new kernel image where the loader does not look."""
        ...

    def arm(self, staged: StagedFile, target: Arming) -> None:
        """Let a closed kernel image boot next, with tries: the commit point.

        The slot's former entry was removed before.

        Raises:
            HostFailure: as always; whatever boots next is whole.
        """
        ...

    def bless(self, entry: KnownEntry) -> None:
        """Let an entry boot for ever; its tries are no longer counted."""
        ...

    def switch(self, to: KnownEntry, away: KnownEntry, *, boots: int, on_trial: bool) -> None:
        """Let ``to`` boot next, and ``away`` after it.

        Whether ``away`` becomes bad or stays good is up to what the loader needs
        to put it last.

        Args:
            to: an entry of ours that is whole as far as is known.
            away: the other one.
            boots: failed boots of ``away`` to show, where there is a place for it.
            on_trial: give ``to`` tries; when they are used up, ``away`` boots.
        """
        ...

    def digest(self, entry: KnownEntry) -> str:
        """SHA-256 of a kernel image as the medium holds it, 64 hex digits."""
        ...
