"""Rules for programs of other architectures, in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from osmodel.faults import HostFailure


class RamBinaryFormats:
    """Keeps the rules that are held.

    Args:
        fixed: what the host has by itself.
        refuses: whether the kernel lets nobody make rules.
    """

    def __init__(self, fixed: tuple[str, ...] = (), *, refuses: bool = False) -> None:
        self.held: dict[str, bytes] = {}
        self.seen: list[str] = []
        self._fixed = fixed
        self._refuses = refuses

    def fixed(self) -> tuple[str, ...]:
        return self._fixed

    @contextmanager
    def hold(self, name: str, rule: bytes, directory: Path) -> Iterator[None]:
        del directory
        if self._refuses:
            raise HostFailure("register: Permission denied")
        self.held[name] = rule
        self.seen.append(name)
        yield
        del self.held[name]
