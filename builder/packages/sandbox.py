"""Run programs of the tools tree: they see it, the paths they were given, and nothing else.

Nothing of the host's own software touches an image, apart from Python, bubblewrap
and the kernel. Programs see the tree read-only, a ``/tmp`` of their own and the
paths they were given, at the same place as outside.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hostio.system.runner import Command, Runner
from hostio.system.spawner import Process, Spawner
from osmodel.faults import HostFailure, InvalidInput


@dataclass(frozen=True, slots=True)
class ToolsTree:
    """A finished tree.

    Attributes:
        root: its top directory; never written to.
        digest: of the lock it was made from, for the keys of build steps.
        host: runs bubblewrap.
        architecture: of its programs and of this host, Debian's name.
    """

    root: Path
    digest: str
    host: Runner
    architecture: str = "amd64"

    def runner(self, binds: Iterable[Path] = ()) -> Runner:
        """A runner whose programs come from the tree.

        Args:
            binds: files and directories that programs may read and write.
        """
        return _TreeRunner(self, tuple(binds))

    def spawner(self, host: Spawner, binds: Iterable[Path] = ()) -> Spawner:
        """A spawner whose programs come from the tree; as :meth:`runner`."""
        return _TreeSpawner(self, host, tuple(binds))

    def wrapped(self, command: Command, binds: Sequence[Path]) -> Command:
        """The call of bubblewrap that runs ``command`` in the tree.

        Raises:
            InvalidInput: a path to bind would hide a part of the tree.
        """
        argv = ["bwrap", "--die-with-parent", "--unshare-pid", "--tmpfs", "/"]
        for name in ("usr", "etc"):
            argv += ["--ro-bind", str(self.root / name), f"/{name}"]
        for name in ("bin", "sbin", "lib", "lib64"):
            argv += ["--symlink", f"usr/{name}", f"/{name}"]
        argv += ["--ro-bind", "/sys", "/sys", "--proc", "/proc", "--dev-bind", "/dev", "/dev"]
        argv += ["--tmpfs", "/tmp", "--dir", "/run", "--dir", "/var/tmp"]  # noqa: S108 - inside
        argv += ["--ro-bind", str(self.root / "var/lib/dpkg"), "/var/lib/dpkg"]
        # User-mode networking of QEMU asks the host's name servers.
        argv += ["--ro-bind-try", os.path.realpath("/etc/resolv.conf"), "/etc/resolv.conf"]
        for path in binds:
            argv += ["--bind", _bindable(path), str(path)]
        argv += ["--chdir", str(command.cwd or "/"), "--", *command.argv]
        return replace(command, argv=argv, cwd=None)


@dataclass(frozen=True, slots=True)
class _TreeRunner:
    tree: ToolsTree
    binds: tuple[Path, ...]

    def run(self, command: Command) -> bytes:
        wrapped = self.tree.wrapped(command, self.binds)
        try:
            return self.tree.host.run(wrapped)
        except HostFailure as error:
            # The twenty options of bubblewrap say nothing to a reader.
            raise HostFailure(str(error).replace(str(wrapped), str(command))) from error


@dataclass(frozen=True, slots=True)
class _TreeSpawner:
    tree: ToolsTree
    host: Spawner
    binds: tuple[Path, ...]

    def spawn(self, command: Command, output: Path) -> Process:
        return self.host.spawn(self.tree.wrapped(command, self.binds), output)


def _bindable(path: Path) -> str:
    if not path.is_absolute() or path.parts[1:2] in {("usr",), ("etc",), ("proc",), ("sys",)}:
        raise InvalidInput(
            f"build tools cannot see {path}", hint="use an absolute path outside /usr and /etc"
        )
    return str(path)
