"""Finds out whether this host can run a guest with KVM, by trying it.

A ``/dev/kvm`` that opens proves little: inside other virtual machines it may
execute the first instructions and then stop for ever. So the firmware that real
guests use is started with a deadline; it goes through every processor mode, and
what it prints when it looks for a disk is the proof.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from builder.machine.boards import TRAITS, Board
from builder.machine.hardware import Accel
from hostio.files.durable import replace_file
from hostio.system.clock import Clock
from hostio.system.runner import Command
from hostio.system.spawner import Process, Spawner
from osmodel.faults import HostFailure

_DEVICE = Path("/dev/kvm")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_DEADLINE = 10.0  # seconds; emulation needs two, hardware less than one
_PROOF = b"BdsDxe: "  # the firmware's boot device selection is reached
_OWN = {"x86_64": Board.PC, "arm64": Board.VIRT}  # the machine with a host's processor
_FAILURE = "KVM internal error"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which acceleration a guest gets.

    Attributes:
        accel: the choice.
        reason: why, for the user.
    """

    accel: Accel
    reason: str


@dataclass(frozen=True, slots=True)
class Probe:
    """How to find the verdict on this host.

    Attributes:
        spawner: starts programs of the tools tree; sees ``scratch``.
        clock: measures the deadline.
        scratch: directory for the probe's files.
        device: KVM's device node.
        architecture: of this host.
    """

    spawner: Spawner
    clock: Clock
    scratch: Path
    device: Path = _DEVICE
    architecture: str = "x86_64"

    def verdict(self) -> Verdict:
        """Try KVM and say what to use."""
        if not self.device.exists():
            return Verdict(Accel.TCG, f"this host has no {self.device}")
        if not os.access(self.device, os.R_OK | os.W_OK):
            return Verdict(Accel.TCG, f"no permission to use {self.device}")
        started = self.clock.monotonic()
        trouble = self._trouble()
        seconds = self.clock.monotonic() - started
        if trouble:
            return Verdict(Accel.TCG, f"KVM does not work here: {trouble}")
        return Verdict(Accel.KVM, f"a test guest ran in {seconds:.1f} s")

    def _trouble(self) -> str:
        """Empty when the firmware reached its boot device selection."""
        serial = self.scratch / "probe-serial.log"
        output = self.scratch / "probe-qemu.log"
        for file in (serial, output):
            file.write_bytes(b"")
        traits = TRAITS[_OWN[self.architecture]]
        assert traits.flash is not None
        call = (
            *(traits.qemu, "-nodefaults", "-no-user-config", "-display", "none"),
            *("-machine", traits.machine, "-accel", "kvm", "-cpu", "host", "-m", "256"),
            *("-drive", f"if=pflash,format=raw,readonly=on,file={traits.flash[0]}"),
            *("-serial", f"file:{serial}"),
        )
        process = self.spawner.spawn(Command(call), output)
        try:
            return self._outcome(process, serial, output)
        finally:
            process.kill()
            process.wait(_DEADLINE)

    def _outcome(self, process: Process, serial: Path, output: Path) -> str:
        deadline = self.clock.monotonic() + _DEADLINE
        while self.clock.monotonic() < deadline:
            if _PROOF in serial.read_bytes():
                return ""
            if _FAILURE in output.read_text(errors="replace"):
                return _FAILURE
            status = process.poll()
            if status is not None:
                lines = output.read_text(errors="replace").strip().splitlines()
                return f"QEMU ended with status {status}: {lines[-1] if lines else 'no message'}"
            self.clock.sleep(0.1)
        return f"a test guest did nothing in {_DEADLINE:g} s"


def obstacle(board: Board, architecture: str) -> str:
    """Why a machine has to be emulated on this host; empty if that is to be tried.

    Args:
        board: the machine.
        architecture: of this host.
    """
    traits = TRAITS[board]
    if traits.target.architecture != architecture:
        return f"this host is {architecture}, the image {traits.target.architecture}"
    return "" if traits.is_virtual else "QEMU emulates such boards"


def remembered(cache: Path, probe: Callable[[], Verdict], *, boot_id: Path = _BOOT_ID) -> Verdict:
    """The verdict of this start of the host, probed at most once.

    A cache that cannot be read is not a reason to fail: it is probed again.

    Args:
        cache: file that keeps the verdict.
        probe: finds it.
        boot_id: file that names this start of the host's kernel.
    """
    current = boot_id.read_text().strip()
    try:
        known = json.loads(cache.read_text())
        if known["boot_id"] == current:
            return Verdict(Accel(known["accel"]), str(known["reason"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    verdict = probe()
    text = json.dumps({"boot_id": current, "accel": verdict.accel, "reason": verdict.reason})
    try:
        replace_file(cache, text.encode() + b"\n")
    except HostFailure:
        return verdict  # the next start probes again
    return verdict
