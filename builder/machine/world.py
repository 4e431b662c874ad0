"""What starting a machine needs from the outside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hostio.system.clock import Clock
from hostio.system.runner import Runner
from hostio.system.spawner import Spawner


class Tools(Protocol):
    """The tools tree, where QEMU and its firmware live."""

    def runner(self, binds: Iterable[Path] = ()) -> Runner:
        """Runs programs of the tree that see the directories ``binds``."""
        ...

    def spawner(self, host: Spawner, binds: Iterable[Path] = ()) -> Spawner:
        """Starts programs of the tree by means of ``host``; see :meth:`runner`."""
        ...


@dataclass(frozen=True, slots=True)
class MachineWorld:
    """Ports of ``boot-image`` and of the tests that start machines.

    Attributes:
        tools: programs of the tools tree.
        runner: programs of this host (the OpenSSH client).
        spawner: long-running programs of this host (the tree's confinement).
        clock: time.
        cache: directory of what may be remembered between calls.
        architecture: of this host, by the names images use.
    """

    tools: Tools
    runner: Runner
    spawner: Spawner
    clock: Clock
    cache: Path
    architecture: str = "x86_64"
