"""PID 1 of the initrd: from the kernel to the systemd of a verified root.

The order is the safety: the start is written down before the root is touched,
so that a root which panics the kernel has left a trace; the root is opened by
its hash alone; state is laid over it; systemd takes over. Whatever goes wrong
ends in a restart, never in a prompt: the loader counts boots on trial, the
log counts the others.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hostio.disk.devmapper import KernelMapper
from hostio.disk.sysfs import SysBlock
from hostio.system.clock import SystemClock
from hostio.system.programs import ForkedPrograms
from hostio.system.syscalls import (
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    KernelMounts,
    load_module,
    reboot,
    switch_root,
)
from hostio.system.watchdog import NoWatchdog, Watchdog, open_watchdog
from osmodel.bootlog import Stage
from osmodel.faults import Fault
from update_engine.initrd import bootlog, decisions, root, slots, state
from update_engine.initrd.modules import Modules
from update_engine.initrd.world import ERROR, INFO, InitrdWorld, Paths

if TYPE_CHECKING:
    from collections.abc import Sequence

_SYSTEMD = "/usr/lib/systemd/systemd"
_WATCHDOG_TIMEOUT = 180  # seconds: the longest a healthy boot makes no progress
_BEFORE_RESTART = 3.0  # seconds to read the message on a console


class Restart(Exception):  # noqa: N818 - not an error: the way to the other slot
    """The machine starts again on purpose."""


class KernelJournal:
    """The kernel's log; see :class:`update_engine.initrd.world.Journal`."""

    def __init__(
        self, node: Path = Path("/dev/kmsg"), console: Path = Path("/dev/console")
    ) -> None:
        self._node = node
        self._console = console

    def say(self, message: str, level: int = INFO) -> None:
        """See :meth:`Journal.say`; one record for each line, as the kernel wants."""
        for line in message.splitlines():
            try:
                descriptor = os.open(self._node, os.O_WRONLY | os.O_CLOEXEC)
                os.write(descriptor, f"<{level}>twinkeel: {line[:900]}\n".encode())
                os.close(descriptor)
            except OSError:
                sys.stderr.write(f"twinkeel: {line}\n")

    def show(self, message: str) -> None:
        """See :meth:`Journal.show`; the console may be missing."""
        self.say(message)
        with contextlib.suppress(OSError):
            descriptor = os.open(self._console, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
            try:
                os.write(descriptor, f"twinkeel: {message}\r\n".encode())
            finally:
                os.close(descriptor)


class Boot(NamedTuple):
    """What identifies this boot."""

    request: decisions.BootRequest
    boot_id: str

    @property
    def ids(self) -> tuple[str, str]:
        """Root hash and boot id."""
        return self.request.root_hash, self.boot_id


def run(world: InitrdWorld) -> None:
    """Do everything up to handing over; the root is ready when this returns.

    Raises:
        Fault: the machine cannot start this root.
        Restart: it should start again, for another one.
    """
    boot = _identify(world)
    slot = slots.wait_for_slot(world, boot.request.root_hash)
    world.journal.show(f"starting slot {slot.slot} on {slot.disk.node}")
    world.modules.load(root.MODULES)
    opened = _open_state(world, slot, boot)
    if isinstance(opened, state.State):
        log = bootlog.begin(world, *boot.ids)
        if bootlog.leaves(world, slot, log, boot.ids):
            raise Restart(f"another slot boots instead of {slot.slot}")
    root.open_root(world, slot, boot.request.root_hash)
    if isinstance(opened, state.Missing):
        world.journal.say(f"no {opened} for the state: making it")
        opened = state.make_state(world, slot, opened)
        bootlog.begin(world, *boot.ids)
    elif opened.durable:
        state.grow_state(world, slot)
    root.write_boot_facts(world, slot, boot.ids, opened)
    root.lay_state(world)
    bootlog.reach(world, world.paths.root / "var", boot.boot_id, Stage.USERSPACE)
    root.move_mounts(world)


def _identify(world: InitrdWorld) -> Boot:
    command_line = (world.paths.proc / "cmdline").read_text(encoding="utf-8", errors="replace")
    boot_id = (world.paths.proc / "sys/kernel/random/boot_id").read_text(encoding="ascii")
    return Boot(decisions.parse_request(command_line), boot_id.strip())


def _open_state(
    world: InitrdWorld, slot: decisions.FoundSlot, boot: Boot
) -> state.State | state.Missing:
    if boot.request.state is decisions.StateUse.VOLATILE:
        return state.open_volatile_state(world)
    return state.open_state(world, slot)


def _mount_kernel_file_systems(mounts: KernelMounts, paths: Paths) -> None:
    plain = MS_NOSUID | MS_NODEV | MS_NOEXEC
    mounts.mount("proc", paths.proc, "proc", flags=plain)
    mounts.mount("sysfs", paths.sys, "sysfs", flags=plain)
    mounts.mount("devtmpfs", paths.dev, "devtmpfs", flags=MS_NOSUID, options="mode=0755")
    mounts.mount("tmpfs", paths.run, "tmpfs", flags=MS_NOSUID | MS_NODEV, options="mode=0755")


def _build_world(journal: KernelJournal) -> InitrdWorld:
    paths, clock = Paths(), SystemClock()
    modules = Modules(Path("/usr/lib/modules") / os.uname().release, paths.sys, load_module)
    for line in modules.load_drivers():
        journal.say(line)
    watchdog: Watchdog = open_watchdog(_WATCHDOG_TIMEOUT) or NoWatchdog()
    return InitrdWorld(
        mounts=KernelMounts(),
        mapper=KernelMapper(),
        modules=modules,
        programs=ForkedPrograms(clock, watchdog.alive),
        block=SysBlock(),
        clock=clock,
        journal=journal,
        paths=paths,
    )


def restart(journal: KernelJournal, reason: str) -> None:
    """Write back what can be, wait for a reader, start the machine again."""
    journal.say(f"restart: {reason}", ERROR)
    os.sync()
    SystemClock().sleep(_BEFORE_RESTART)
    reboot()


def main(arguments: Sequence[str] = ()) -> None:
    """Run as PID 1; returns only by replacing itself or restarting the machine."""
    journal = KernelJournal()
    try:
        _mount_kernel_file_systems(KernelMounts(), Paths())
        journal.say("initrd started")
        run(_build_world(journal))
        switch_root(Paths().root, (_SYSTEMD, *arguments))
    except (Fault, Restart) as reason:
        restart(journal, str(reason))
    except BaseException as bug:  # noqa: BLE001 - PID 1 must not end: that panics the kernel
        import traceback  # noqa: PLC0415 - only for bugs, and large

        journal.say("".join(traceback.format_exception(bug)), ERROR)
        restart(journal, f"bug: {bug!r}")
