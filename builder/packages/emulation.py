"""Run the few programs of a target that the build host's processor cannot.

Packages bring scripts that call programs of the package's own architecture.
Where that is not the host's, the kernel is told to start them by an emulator of
the tools tree. Only programs inside a root tree are ever started this way;
everything that can be done by a program of the host's architecture is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from builder.packages.sandbox import ToolsTree
from hostio.system.binfmt import BinaryFormats
from osmodel.faults import HostFailure

# Debian's name of an architecture: the emulator's, and the number in ELF headers.
_MACHINES = {"amd64": ("x86_64", 0x3E), "arm64": ("aarch64", 0xB7)}
# ELF, 64 bits, little endian, any ABI; a program, loadable anywhere or not.
_MAGIC = b"\x7fELF\2\1\1" + bytes(9) + b"\2\0"
_MASK = b"\xff" * 7 + b"\0" + b"\xff" * 8 + b"\xfe\xff"
# Program opened when the rule is made; credentials of the program, its name kept.
_FLAGS = "POCF"


@dataclass(frozen=True, slots=True)
class Emulation:
    """Starts programs of other architectures.

    Attributes:
        tools: holds the emulators.
        formats: the kernel's rules.
        directory: for its lock files.
    """

    tools: ToolsTree
    formats: BinaryFormats
    directory: Path

    @contextmanager
    def of(self, architecture: str) -> Iterator[None]:
        """While the block runs, programs of ``architecture`` can be started.

        Args:
            architecture: Debian's name; nothing is done for the host's own.

        Raises:
            HostFailure: neither we nor the host can have them started.
        """
        if architecture == self.tools.architecture:
            yield
            return
        name = _rule_name(self.tools, architecture)
        held = self.formats.hold(name, rule(self.tools, architecture), self.directory)
        try:
            held.__enter__()
        except HostFailure as failure:
            self._check_host(architecture, failure)
            yield
            return
        try:
            yield
        finally:
            held.__exit__(None, None, None)

    def _check_host(self, architecture: str, failure: HostFailure) -> None:
        """Make do with the host's own emulator, if it has one that works anywhere."""
        emulator, _ = _MACHINES[architecture]
        if f"qemu-{emulator}" not in self.formats.fixed():
            raise HostFailure(
                f"programs of {architecture} cannot be started here: {failure}",
                hint="run as root outside of a container, or install qemu-user-binfmt on the host",
            ) from failure

    def program(self, architecture: str, path: Path) -> Sequence[str]:
        """How to start a program of ``architecture`` that needs no libraries.

        On a tree of the host's own architecture, the tools' program of the
        same name does the same.
        """
        if architecture == self.tools.architecture:
            return [path.name]
        emulator, _ = _MACHINES[architecture]
        return [f"qemu-{emulator}", str(path)]


def rule(tools: ToolsTree, architecture: str) -> bytes:
    """The kernel's rule for programs of ``architecture``."""
    emulator, number = _MACHINES[architecture]
    magic = _escaped(_MAGIC + number.to_bytes(2, "little"))
    mask = _escaped(_MASK + b"\xff\xff")
    program = tools.root / f"usr/bin/qemu-{emulator}"
    name = _rule_name(tools, architecture)
    return f":{name}:M::{magic}:{mask}:{program}:{_FLAGS}".encode()


def _rule_name(tools: ToolsTree, architecture: str) -> str:
    # Another tools tree has another emulator: each has a rule of its own, and
    # the kernel asks the newest first.
    digest = hashlib.sha256(str(tools.root).encode()).hexdigest()[:12]
    return f"twinkeel-{architecture}-{digest}"


def _escaped(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)
