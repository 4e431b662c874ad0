"""Runs commands in a guest with the OpenSSH client of this host.

One connection is kept open per start of the guest: under emulation a handshake
takes seconds. The guest's host key is learned at the first connection and has to
stay the same from then on.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from hostio.system.runner import Command, Runner
from osmodel.faults import HostFailure

_CONNECT_TIMEOUT = 60  # seconds; an emulated guest under load is slow to answer


def make_key(runner: Runner, path: Path) -> str:
    """Make a key pair at ``path`` unless there is one; returns the public key's line."""
    if not path.exists():
        argv = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "operator", "-f", str(path))
        runner.run(Command(argv, timeout=60))
    return path.with_name(f"{path.name}.pub").read_text(encoding="utf-8").strip()


@dataclass(frozen=True, slots=True)
class SshClient:
    """How to reach the guest's root account.

    Attributes:
        runner: runs ``ssh`` on this host.
        key: private key file.
        port: port of the loopback address that leads to the guest's sshd.
        directory: keeps the learned host key and the sockets of open connections.
    """

    runner: Runner
    key: Path
    port: int
    directory: Path

    def command_line(self) -> tuple[str, ...]:
        """What a person types to log in."""
        return (
            *("ssh", "-i", str(self.key), "-p", str(self.port)),
            *("-o", f"UserKnownHostsFile={self.directory / 'known_hosts'}"),
            *("-o", "StrictHostKeyChecking=accept-new", "root@127.0.0.1"),
        )

    def run(self, command: str, *, start: int, timeout: float) -> str:
        """Run a shell command in the guest and return its standard output.

        Args:
            command: for the guest's shell.
            start: number of the guest's start; the open connection belongs to one.
            timeout: seconds the command may take.

        Raises:
            HostFailure: no connection, a non-zero exit or no end in time.
        """
        output = self.runner.run(Command(self._argv(start, command), timeout=timeout))
        return output.decode(errors="replace")

    def send(self, content: bytes, path: str, *, start: int, timeout: float) -> None:
        """Write ``content`` to ``path`` in the guest."""
        argv = self._argv(start, f"cat > {path}")
        self.runner.run(Command(argv, stdin=content, timeout=timeout))

    def hang_up(self, start: int) -> None:
        """Close the connection to that start of the guest, if one is open."""
        if not self._control(start).exists():
            return
        with contextlib.suppress(HostFailure):  # the guest may be gone already
            options = ("-o", f"ControlPath={self._control(start)}", "-O", "exit")
            self.runner.run(Command(("ssh", *options, "root@127.0.0.1"), timeout=20))

    def _control(self, start: int) -> Path:
        return self.directory / f"ssh{start}"

    def _argv(self, start: int, command: str) -> tuple[str, ...]:
        first, *options, address = self.command_line()
        return (
            *(first, *options, "-F", "none", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"),
            *("-o", f"ConnectTimeout={_CONNECT_TIMEOUT}", "-o", "IdentitiesOnly=yes"),
            *("-o", "ControlMaster=auto", "-o", f"ControlPath={self._control(start)}"),
            *("-o", "ControlPersist=yes", "-o", "ServerAliveInterval=30"),
            *(address, command),
        )
