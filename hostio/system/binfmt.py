"""Let the kernel start programs of another architecture, by an emulator.

The kernel's binfmt_misc keeps rules that say which interpreter starts files of
which shape. With flag F the interpreter is opened when the rule is made, so
programs find it in any root directory, and a replaced file changes nothing.

Source: Linux Documentation/admin-guide/binfmt-misc.rst.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hostio.files.lock import FileLock, Hold, locked_in_turn
from hostio.system.syscalls import Mounts
from osmodel.faults import HostFailure

PLACE = Path("/proc/sys/fs/binfmt_misc")
_REMOVE = b"-1"


class BinaryFormats(Protocol):
    """Port for the kernel's rules; the fake is ``tests.fakes.binaryformats.RamBinaryFormats``."""

    def fixed(self) -> tuple[str, ...]:
        """Names of the enabled rules whose interpreter the kernel keeps open."""
        ...

    def hold(self, name: str, rule: bytes, directory: Path) -> AbstractContextManager[None]:
        """Keep a rule in the kernel while the block runs, unless it was there.

        Several processes may hold one rule; the last one takes it away.

        Args:
            name: of the rule.
            rule: as the kernel reads it; begins with ``:NAME:``.
            directory: for lock files, the same one for all holders of a rule.

        Raises:
            HostFailure: this process may not make rules, or the kernel refused.
        """
        ...


@dataclass(frozen=True, slots=True)
class KernelFormats:
    """The rules of this host's kernel; see :class:`BinaryFormats`.

    Attributes:
        mounts: mounts the rules where the host has them nowhere.
        place: where hosts have them mounted.
    """

    mounts: Mounts
    place: Path = PLACE

    def fixed(self) -> tuple[str, ...]:
        """See :meth:`BinaryFormats.fixed`."""
        found = []
        for path in _rules(self.place) if self.place.is_dir() else []:
            lines = path.read_text(errors="replace").splitlines()
            flags = next((line for line in lines if line.startswith("flags:")), "")
            if lines[:1] == ["enabled"] and "F" in flags.partition(":")[2]:
                found.append(path.name)
        return tuple(found)

    @contextmanager
    def hold(self, name: str, rule: bytes, directory: Path) -> Iterator[None]:
        """See :meth:`BinaryFormats.hold`."""
        with FileLock(_users(directory, name)) as users:
            # One process at a time makes or removes a rule; those that use it are counted.
            with locked_in_turn(directory / "lock"):
                users.take(Hold.SHARED)
                self._register(name, rule, self._mounted(directory))
            try:
                yield
            finally:
                with locked_in_turn(directory / "lock"):
                    users.release()
                    self._clean(directory, self._mounted(directory))

    def _register(self, name: str, rule: bytes, place: Path) -> None:
        if (place / name).exists():
            return
        try:
            (place / "register").write_bytes(rule)
        except OSError as error:
            raise HostFailure(f"{place}/register: {error.strerror}") from error

    def _mounted(self, directory: Path) -> Path:
        """Where the rules are; mounted for us alone where the host has them nowhere.

        The host's usual place is left as it is: on many hosts systemd mounts it
        when it is first looked at, which this does.
        """
        own = directory / "rules"
        for place in (self.place, own):
            if (place / "register").exists():
                return place
        self.mounts.mount("binfmt_misc", own, "binfmt_misc")
        return own

    def _clean(self, directory: Path, place: Path) -> None:
        """Take away our rules that no process holds, also of processes that were killed."""
        ours = [rule for rule in _rules(place) if _users(directory, rule.name).exists()]
        held = [rule for rule in ours if not _is_free(_users(directory, rule.name))]
        for rule in ours:
            if rule not in held:
                rule.write_bytes(_REMOVE)
        # With its last mount a kernel forgets all rules; those of others have theirs.
        if place != self.place and not held:
            self.mounts.unmount(place)


def _users(directory: Path, name: str) -> Path:
    return directory / f"{name}.users"


def _is_free(users: Path) -> bool:
    with FileLock(users) as lock:
        return lock.try_to_take()


def _rules(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.name not in {"register", "status"})
