"""This machine: every port of the engine with its real adapter.

Entry points call :func:`local_world`. What is slow to import is imported when
a port is first used.
"""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from hostio.files.lock import locked
from hostio.files.preallocated import PreallocatedFile
from hostio.files.statefiles import DirectoryArchive, VolatileFile
from osmodel import bootlog
from osmodel.faults import HostFailure
from osmodel.hostidentity import PATH as IDENTITY
from osmodel.hostidentity import HostIdentity, identify_host
from update_engine.core import enginestate
from update_engine.settings import Configuration, read_settings
from update_engine.store import Store
from update_engine.world import EngineWorld, Releases

if TYPE_CHECKING:
    from hostio.disk.esp import Esp
    from hostio.disk.systemdisk import SystemDisk
    from hostio.system.runner import Runner
    from update_engine.etc import Etc
    from update_engine.firmware import Firmware

STATE = Path("/var/lib/update-engine")
RUN = Path("/run/update-engine")
_ESP = RUN / "esp"  # mounted there while it is used
TRUST_ROOT = Path("/usr/lib/twinkeel/trust/root.json")
_BOOT_FACTS = Path("/run/twinkeel/boot.json")  # written by the initrd


def local_world(configuration: Configuration | None = None) -> EngineWorld:
    """This machine, with real adapters.

    Raises:
        Fault: not a machine booted from an image of this project.
    """
    from hostio.system.clock import SystemClock  # noqa: PLC0415 - entry points build adapters
    from hostio.system.power import SystemctlPower  # noqa: PLC0415 - as above
    from hostio.system.runner import LocalRunner  # noqa: PLC0415 - as above

    configuration = configuration or read_settings()
    machine = _this_machine()
    runner, clock = LocalRunner(), SystemClock()
    media = _Media(runner, machine.root_hash)

    def releases() -> Releases:
        from update_engine.repository.configured import open_repository  # noqa: PLC0415 - slow: TUF

        url = configuration.values.repository_url
        proxy = configuration.values.repository.proxy
        return open_repository(url, TRUST_ROOT, STATE / "tuf", clock, proxy=proxy)

    return EngineWorld(
        machine=machine,
        slot=_slot(machine.root_hash),
        settings=configuration.values,
        problems=configuration.problems,
        clock=clock,
        runner=runner,
        power=SystemctlPower(runner),
        lock=lambda: locked(
            RUN / "lock",
            busy="another update operation is running",
            hint="see `update-ctl status`",
        ),
        esp=media.esp,
        disk=media.disk,
        firmware=media.firmware,
        store=Store(
            PreallocatedFile(STATE / "state.json", capacity=enginestate.SIZE, mode=0o644),
            PreallocatedFile(STATE / "starts.json", capacity=bootlog.SIZE, mode=0o644),
            lambda name: VolatileFile(RUN / name),
        ),
        archive=DirectoryArchive(STATE / "failures"),
        etc=_etc,
        releases=releases,
        reboot_wanted=VolatileFile(Path("/run/reboot-required")),
        is_running=_exists,
        pid=os.getpid(),
    )


class _Media:
    """The disk of this machine and its ESP."""

    def __init__(self, runner: Runner, root_hash: str) -> None:
        self._runner = runner
        self._root_hash = root_hash

    def disk(self) -> SystemDisk:
        from hostio.disk.sysfs import SysBlock  # noqa: PLC0415 - status never looks at the disk
        from hostio.disk.systemdisk import system_disk  # noqa: PLC0415 - as above

        return system_disk(SysBlock(), self._root_hash)

    def esp(self) -> AbstractContextManager[Esp]:
        from hostio.disk.esp import mounted_esp  # noqa: PLC0415 - as above

        return mounted_esp(self._runner, self._esp_node(), _ESP)

    def firmware(self) -> Firmware:
        from hostio.disk.firmwarefiles import mounted_firmware_files  # noqa: PLC0415 - as above
        from update_engine.firmware import HOME, Firmware  # noqa: PLC0415 - as above

        return Firmware(HOME, lambda: mounted_firmware_files(self._runner, self._esp_node(), _ESP))

    def _esp_node(self) -> Path:
        from osmodel.partitions import ESP  # noqa: PLC0415 - as above

        disk = self.disk()
        partition = disk.table().find(ESP)
        if partition is None:
            raise HostFailure(f"the system disk has no partition {ESP}")
        return disk.node(partition.number)


def _this_machine() -> HostIdentity:
    return identify_host(
        _text_of(Path(IDENTITY), hint="update-ctl works on a machine booted from an image"),
        _text_of(Path("/proc/cmdline")),
        _text_of(Path("/proc/sys/kernel/random/boot_id")),
    )


def _etc() -> Etc:
    from hostio.files.etclayers import OverlaidEtc  # noqa: PLC0415 - status looks at no layer
    from hostio.files.statefiles import DurableFile  # noqa: PLC0415 - as above
    from update_engine.etc import Etc  # noqa: PLC0415 - as above

    return Etc(OverlaidEtc(), DurableFile(STATE / "etc.json", mode=0o600))


def _slot(root_hash: str) -> str:
    """The slot as the initrd found it; for people, never for decisions."""
    try:
        facts = json.loads(_BOOT_FACTS.read_text(encoding="utf-8"))
        return str(facts["slot"]) if facts["root_hash"] == root_hash else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _text_of(path: Path, *, hint: str = "") -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise HostFailure(f"{path}: {error.strerror}", hint=hint) from error


def _exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
