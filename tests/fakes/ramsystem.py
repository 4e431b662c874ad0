"""A whole machine in memory: disk with two slots, ESP, state files, loader.

Everything hangs on one power supply. After a cut, ``aftermaths`` are the
machines that may be found when power returns; ``RamSystem.starts`` then does
what firmware, loader and initrd do, and says which version they start.
"""

import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from hostio.disk.blockdev import BlockDevice
from hostio.disk.esp import Esp
from hostio.disk.systemdisk import read_table
from hostio.files.dropins import Problem
from hostio.files.statefiles import Archive
from hostio.system.runner import Command
from osmodel import bootentry, gpt, slotstate
from osmodel.faults import Fault, InvalidInput, TransientFailure, UntrustedData
from osmodel.hostidentity import HostIdentity
from osmodel.partitions import (
    ESP,
    ESP_TYPE,
    ROOT_TYPES,
    VERITY_TYPES,
    derived_guid,
    slot_guids,
    slot_of,
)
from osmodel.platforms import Platform, Target
from osmodel.repository import Offer, OfferedPayload, target_path
from osmodel.uki import identify
from osmodel.verity import parse_superblock
from tests.fakes.clock import StoppedClock
from tests.fakes.loaders import started
from tests.fakes.payloads import SmallRelease, signed_payload, small_release, tree_of, trust
from tests.fakes.power import RamPower
from tests.fakes.ramarchive import RamArchive
from tests.fakes.ramdisk import Power, RamDisk
from tests.fakes.ramesp import RamEsp
from tests.fakes.rametc import RamEtc
from tests.fakes.ramfile import RamFile
from tests.fakes.ramfirmwarefiles import RamFirmwareFiles
from tests.fakes.runner import ScriptedRunner, failing
from tests.fakes.smalluki import small_uki
from update_engine.boot import steps
from update_engine.etc import Etc
from update_engine.firmware import Firmware
from update_engine.install.sources import FromRepository
from update_engine.repository.keys import Trust
from update_engine.settings import Settings
from update_engine.store import Store
from update_engine.worker import update
from update_engine.world import EngineWorld

UEFI = Target("x86_64")
RASPBERRY_PI = Target("arm64", Platform.RASPBERRYPI)
SECTOR = 512
DISK = 1 << 19
LABELS = ("root-a", "root-a-verity", "root-b", "root-b-verity")
NUMBERS = {label: number for number, label in enumerate(LABELS, 2)}
BOOT_IDS = (f"{number:08x}-0000-4000-8000-000000000000" for number in itertools.count(1))


def bootable(version: str, seed: int, *, padding: int = 0, target: Target = UEFI) -> SmallRelease:
    """A release whose kernel image can be identified."""
    small = small_release(version, seed=seed, root_blocks=10, target=target)
    uki = small_uki(version, small.release.root_hash, padding=padding)
    return replace(small, uki=uki)


OLD = bootable("1.0.0", 2)
NEW = bootable("1.0.1", 1)
NEXT = bootable("1.0.2", 3)


class RamReleases:
    """A repository without metadata: the fake of ``update_engine.world.Releases``."""

    def __init__(self, *releases: SmallRelease) -> None:
        self.releases = releases
        self.fault: Fault | None = None
        self.faults_while_reading = 0
        self.payload: Callable[[SmallRelease], bytes] = lambda small: bytes(signed_payload(small))

    def refresh(self) -> tuple[Offer, ...]:
        if self.fault is not None:
            raise self.fault
        return tuple(
            Offer(
                small.release,
                (OfferedPayload(target_path(small.release), 1000, {"sha256": "ab" * 32}),),
            )
            for small in self.releases
        )

    def trust(self) -> Trust:
        return trust()

    def open(self, payload: OfferedPayload) -> "Stream":
        (small,) = [one for one in self.releases if target_path(one.release) == payload.path]
        return Stream(self, self.payload(small))


class Stream:
    """A payload that is being read from a ram_releases."""

    def __init__(self, ram_releases: RamReleases, content: bytes) -> None:
        self._shelf = ram_releases
        self._file = io.BytesIO(content)

    @property
    def total(self) -> int | None:
        return None

    def read(self, size: int) -> bytes:
        if self._shelf.faults_while_reading and self._file.tell() > 20000:
            self._shelf.faults_while_reading -= 1
            raise TransientFailure("the line broke")
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()


@dataclass
class Media:
    """What a machine keeps when it is off."""

    table: bytes
    partitions: dict[str, bytes]
    files: dict[str, bytes]
    state: str | None = None
    boots: str | None = None
    small: dict[str, bytes] = field(default_factory=dict)
    platform: str = Platform.UEFI.value


def factory_media(release: SmallRelease = OLD) -> Media:
    """A machine as it was shipped: one release in slot a, blessed; slot b empty."""
    esp = gpt.Partition(ESP_TYPE, derived_guid("esp"), 40, 47, 0, ESP, 1)
    root, verity = slot_guids(release.release.root_hash)
    guids = {"root-a": root, "root-a-verity": verity}
    parts = [esp]
    for label, number in NUMBERS.items():
        kind = VERITY_TYPES if label.endswith("verity") else ROOT_TYPES
        guid = guids.get(label, derived_guid(label))
        first, length = 128 * (number - 1), 112
        bits = 1 << 60 if label.startswith("root-a") else 1 << 59
        parts.append(
            gpt.Partition(kind["x86_64"], guid, first, first + length - 1, bits, label, number)
        )
    table = gpt.Gpt(derived_guid("disk"), SECTOR, DISK // SECTOR, tuple(parts))
    whole = bytearray(DISK)
    primary, backup = gpt.encode_primary(table), gpt.encode_backup(table)
    whole[: len(primary)] = primary
    whole[-len(backup) :] = backup
    content = {"root-a": release.root, "root-a-verity": release.verity}
    partitions = {label: content.get(label, b"").ljust(112 * SECTOR, b"\0") for label in LABELS}
    if release.release.platform == Platform.UEFI:
        files = {f"twinkeel_{release.release.version}.efi": release.uki}
        return Media(bytes(whole), partitions, files)
    small = dict.fromkeys(slotstate.COPIES, slotstate.encode(slotstate.factory()))
    files = {slotstate.entry_name("a"): release.uki}
    return Media(bytes(whole), partitions, files, small=small, platform=release.release.platform)


@dataclass
class RamSystem:
    """A machine that is on.

    Attributes:
        media: what it found when power came.
        running: the release it started.
        ram_releases: the repository it asks.
        power: of all media.
    """

    media: Media
    running: SmallRelease = OLD
    ram_releases: RamReleases = field(default_factory=RamReleases)
    power: Power = field(default_factory=Power)
    settings: Settings = field(default_factory=Settings)
    problems: Sequence[Problem] = ()

    def __post_init__(self) -> None:
        self.whole = RamDisk(DISK, power=self.power, content=self.media.table)
        self.partitions = {
            label: RamDisk(len(content), power=self.power, content=content)
            for label, content in self.media.partitions.items()
        }
        self.esp = RamEsp(
            self.media.files, small=self.media.small, power=self.power, capacity=8 << 20
        )
        self.state = RamFile(self.media.state, power=self.power)
        self.boots_file = RamFile(self.media.boots, power=self.power)
        self.volatile: dict[str, RamFile] = {}
        self.archive: Archive = RamArchive(self.power)
        self.store = Store(
            self.state,
            self.boots_file,
            lambda name: self.volatile.setdefault(name, RamFile(power=self.power, medium="run")),
        )
        self.runner = ScriptedRunner(
            journalctl=lambda _: b"journal\n", systemctl=lambda _: b"", sh=self._check
        )
        self.clock = StoppedClock()
        self.reboot_wanted = RamFile(power=self.power, medium="run")
        self.etc, self.etc_record = RamEtc(), RamFile()
        self.restarts = RamPower()
        self.firmware = Firmware(Path("/nowhere"), lambda: nullcontext(RamFirmwareFiles({})))
        self.failing_checks: dict[str, str] = {}
        self.locked = False
        self.boot_id = next(BOOT_IDS)

    @property
    def world(self) -> EngineWorld:
        release = self.running.release
        return EngineWorld(
            machine=HostIdentity(
                release.image,
                release.architecture,
                release.platform,
                release.version,
                release.root_hash,
                self.boot_id,
            ),
            slot=slot_of(RamSystemDisk(self).table(), release.root_hash) or "",
            settings=self.settings,
            problems=self.problems,
            clock=self.clock,
            runner=self.runner,
            power=self.restarts,
            lock=self._lock,
            esp=self._esp,
            disk=lambda: RamSystemDisk(self),
            firmware=lambda: self.firmware,
            store=self.store,
            archive=self.archive,
            etc=lambda: Etc(self.etc, self.etc_record),
            releases=lambda: self.ram_releases,
            reboot_wanted=self.reboot_wanted,
            is_running=lambda pid: pid == 4711,
            pid=4711,
        )

    @property
    def rebooting(self) -> bool:
        """Whether a restart was asked for."""
        return bool(self.restarts.reboots)

    def aftermaths(self, seed: int = 0) -> Iterator[Media]:
        """What may be found when power returns after a cut at this moment."""
        tables = _different(self.whole.aftermaths(seed=seed))
        slots = [
            _different(itertools.islice(self.partitions[label].aftermaths(seed=seed), 12))
            for label in LABELS
        ]
        files = list(self.esp.aftermaths())
        states = list(dict.fromkeys(self.state.aftermaths()))
        boots = list(dict.fromkeys(self.boots_file.aftermaths()))
        for table, contents, (entries, small), state, log in itertools.product(
            tables, itertools.product(*slots), files, states, boots
        ):
            partitions = dict(zip(LABELS, contents, strict=True))
            yield Media(table, partitions, entries, state, log, small, self.media.platform)

    def off(self) -> Media:
        """Shut down orderly: everything is durable."""
        for disk in (self.whole, *self.partitions.values()):
            disk.flush()
        return Media(
            bytes(self.whole.durable),
            {label: bytes(disk.durable) for label, disk in self.partitions.items()},
            dict(self.esp.files),
            self.state.text,
            self.boots_file.text,
            dict(self.esp.small),
            self.media.platform,
        )

    def _esp(self) -> AbstractContextManager[Esp]:
        assert self.locked, "the ESP is mounted without the engine's lock"
        return self.esp.mounted()

    @contextmanager
    def _lock(self) -> Iterator[None]:
        assert not self.locked, "the engine must take its lock once"
        self.locked = True
        try:
            yield
        finally:
            self.locked = False

    def _check(self, command: Command) -> bytes:
        name = Path(command.argv[-1]).name
        if name in self.failing_checks:
            return failing(f"exit 1: {command}\n{self.failing_checks[name]}")(command)
        return b""


@dataclass
class RamSystemDisk:
    """The fake of ``hostio.disk.systemdisk.SystemDisk``."""

    system: RamSystem

    @property
    def sector_size(self) -> int:
        return SECTOR

    def whole(self) -> AbstractContextManager[BlockDevice]:
        return nullcontext(self.system.whole)

    def table(self) -> gpt.Gpt:
        return read_table(self.system.whole, SECTOR)

    def partition(self, number: int) -> AbstractContextManager[BlockDevice]:
        label = next(label for label, place in NUMBERS.items() if place == number)
        return nullcontext(self.system.partitions[label])

    def node(self, number: int) -> Path:
        return Path(f"/dev/ram{number}")


def updated_machine() -> RamSystem:
    """A machine that was updated from 1.0.0 to 1.0.1, which runs and was blessed."""
    system = RamSystem(factory_media(), ram_releases=RamReleases(NEW))
    steps.run(["assess", "bless"], system.world)
    update(system.world, FromRepository(system.ram_releases))
    system = RamSystem(switched_on(system.off()), NEW, RamReleases(NEW))
    steps.run(["assess", "bless"], system.world)
    return system


class DoesNotStart(AssertionError):  # noqa: N818 - an outcome, not an error of the code
    """The machine stops for good, or wastes tries of a version that is not whole."""


def starts(media: Media) -> str:
    """The version that firmware, loader and initrd start; the first entry must do.

    Raises:
        DoesNotStart: the entry the loader takes leads to nothing whole.
    """
    chosen, _, _ = started(media.platform, media.files, media.small)
    if chosen is None:
        raise DoesNotStart("no entry is left")
    everything = {slotstate.entry_name(slot): b"" for slot in slotstate.SLOTS}
    if media.platform == Platform.RASPBERRYPI:
        wanted, _, _ = started(media.platform, everything, media.small)
        if wanted != chosen:
            raise DoesNotStart(f"{wanted} is tried first and is not there")
    return starts_by(media, chosen)


def starts_by(media: Media, chosen: str) -> str:
    """The version that one entry starts.

    Raises:
        DoesNotStart: it leads to nothing whole.
    """
    uki = media.files[chosen]
    try:
        identity = identify(lambda at, length: uki[at : at + length], len(uki))
        table = gpt.parse(lambda at, length: media.table[at : at + length], SECTOR, DISK // SECTOR)
    except UntrustedData as fault:
        raise DoesNotStart(f"{chosen}: {fault}") from fault
    root, verity = (_found(media, table, guid) for guid in slot_guids(identity.root_hash))
    if not _is_whole(root, verity, identity.root_hash):
        raise DoesNotStart(f"{chosen}: verity does not match")
    slot = slotstate.slot_of_entry(chosen)
    if slot is None and identity.version != bootentry.parse(chosen).version:
        raise DoesNotStart(f"{chosen} is {identity.version}")
    if slot is not None and slot_of(table, identity.root_hash) != slot:
        raise DoesNotStart(f"{chosen} starts the other slot")
    return identity.version


def switched_on(media: Media) -> Media:
    """The media after the loader counted the try of the entry it takes."""
    _, files, small = started(media.platform, media.files, media.small)
    return replace(media, files=files, small=small)


def _found(media: Media, table: gpt.Gpt, guid: str) -> bytes:
    labels = [part.label for part in table.partitions if part.guid == guid]
    if len(labels) != 1:
        raise DoesNotStart(f"{len(labels)} partitions have GUID {guid}")
    return media.partitions[labels[0]]


def _is_whole(root: bytes, verity: bytes, root_hash: str) -> bool:
    try:
        superblock = parse_superblock(verity[:4096])
    except (UntrustedData, InvalidInput):
        return False
    tree = tree_of(root[: superblock.data_blocks * 4096], superblock)
    stored = superblock.encode() + tree.content
    return tree.root_hash == root_hash and verity.startswith(stored)


def _different(contents: Iterator[bytes]) -> list[bytes]:
    return list(dict.fromkeys(contents))
