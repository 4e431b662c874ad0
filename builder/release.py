"""The last step of a build: a directory with the files of one release.

Its manifest holds the step's key, which names everything it was made from: when
nothing changed, nothing is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from builder.boot import pifirmware
from builder.image import bmap, disk, diskformats, diskmap, esp, sparsefile
from builder.image.disk import DiskContents, DiskOptions
from builder.image.esp import EspOptions
from builder.packages.sandbox import ToolsTree
from builder.payload import payloadwriter
from hostio.system.runner import Command, Runner
from osmodel import bootentry, slotstate
from osmodel.platforms import Platform
from osmodel.release import Release
from osmodel.releasemanifest import (
    FILE_NAME,
    FULL_PAYLOAD,
    Inputs,
    Package,
    ReleaseFile,
    ReleaseManifest,
)

DISK = "disk.raw"
QCOW2 = "disk.qcow2"
IMAGE = ".img"
"""What is written onto a card; see ``builder.flash``."""

Timed = Callable[[str, Callable[[], object]], None]


@dataclass(frozen=True, slots=True)
class Parts:
    """The finished files that a release is made of.

    Attributes:
        root: file system of the first slot; its name stays.
        verity: its hash tree; likewise.
        uki: kernel image; likewise.
        loader: boot loader; none where the board has its own.
        firmware: result of the firmware step; none where the machine has it built in.
    """

    root: Path
    verity: Path
    uki: Path
    loader: Path | None
    firmware: Path | None


@dataclass(frozen=True, slots=True)
class Shape:
    """What the parts do not say.

    Attributes:
        name: of the result's directory.
        release: what the result is.
        disk: its partitions.
        volume_id: serial number of the ESP, 32 bits.
        epoch: time of every file on the ESP, seconds since 1970.
        payload_level: compression of the payload, 1 to 19; 0 for none.
    """

    name: str
    release: Release
    disk: DiskOptions
    volume_id: int
    epoch: int
    payload_level: int

    @property
    def is_board(self) -> bool:
        """Whether it is made for a card."""
        return self.disk.platform is Platform.RASPBERRYPI

    @property
    def card(self) -> str:
        """Name of what is written onto a card, without the compression's suffix."""
        return f"{self.name}{IMAGE}"


@dataclass(frozen=True, slots=True)
class Origin:
    """What the manifest says about where the release comes from.

    Attributes:
        packages: those in it, sorted.
        kernel: the kernel's release.
        lock: digest of the package lock.
        tools: digest of the tools tree.
        steps: key of each step, by name.
        closure: file with the report on libraries and hardening.
    """

    packages: Sequence[Package]
    kernel: str
    lock: str
    tools: str
    steps: Mapping[str, str]
    closure: Path


@dataclass(frozen=True, slots=True)
class Workplace:
    """What the work uses and the result does not depend on, except for the tools.

    Attributes:
        tools: programs.
        binds: directories that the programs see, beside the result's.
        chunks: cache of compressed pieces of payloads.
        timed: times a part of the work.
        note: tells how far a part is.
    """

    tools: ToolsTree
    binds: Sequence[Path]
    chunks: Path
    timed: Timed
    note: Callable[[str], None]

    def runner(self, out: Path) -> Runner:
        """Runs programs that see ``out`` as well."""
        return self.tools.runner([*self.binds, out])


def make(  # noqa: PLR0913 - the inputs of one step
    *, parts: Parts, shape: Shape, origin: Origin, workplace: Workplace, key: str, out: Path
) -> None:
    """Fill ``out`` with the files of a release.

    Args:
        parts: finished files.
        shape: what becomes of them.
        origin: for the manifest.
        workplace: tools and progress.
        key: of this step.
        out: an empty directory.

    Raises:
        InvalidInput: something does not fit into its partition.
        HostFailure: a tool failed.
    """
    place = out.absolute()
    runner, timed = workplace.runner(place), workplace.timed
    timed("disk", lambda: _make_disk(parts, shape, runner, place))
    timed("qcow2", lambda: diskformats.make_qcow2(runner, place / DISK, place / QCOW2))
    if shape.is_board:
        card = place / f"{shape.card}{diskformats.COMPRESSED}"
        timed("card", lambda: diskformats.compress(place / DISK, card))
    if shape.payload_level:
        timed("payload", lambda: _make_payload(parts, shape, workplace, place))
    timed("manifest", lambda: _write_manifest(shape, origin, key, place))


def _make_disk(parts: Parts, shape: Shape, runner: Runner, out: Path) -> None:
    # Copied, not linked: a release that is changed must not change the cache.
    for source in (parts.root, parts.verity, parts.uki):
        runner.run(Command(["cp", "--reflink=auto", str(source), str(out / source.name)]))
    # Not a part of the release: it is in the disk.
    boot = out / "esp"
    _make_esp(parts, shape, runner, boot)
    contents = DiskContents(boot, parts.root, parts.verity, shape.release.root_hash)
    table = disk.make_disk(contents, out / DISK, shape.disk)
    if shape.is_board:
        found = bmap.map_image(out / DISK, diskmap.used_ranges(table, contents))
        (out / f"{shape.card}{bmap.SUFFIX}").write_text(bmap.to_text(found))
    boot.unlink()


def _make_esp(parts: Parts, shape: Shape, runner: Runner, out: Path) -> None:
    armed = bootentry.armed(str(shape.release.version)).filename
    options = EspOptions(
        shape.disk.architecture,
        shape.disk.esp_size,
        slotstate.entry_name("a") if shape.is_board else armed,
        shape.volume_id,
        shape.epoch,
    )
    if parts.loader is not None:
        esp.make_esp(runner, parts.uki, parts.loader, out, options)
    else:
        assert parts.firmware is not None, "a machine starts by one or the other"
        files = pifirmware.files_for_fat(parts.firmware)
        esp.make_board_fat(runner, parts.uki, files, out, options)


def _make_payload(parts: Parts, shape: Shape, workplace: Workplace, out: Path) -> None:
    workplace.chunks.mkdir(parents=True, exist_ok=True)

    def tell(done: int, total: int) -> None:
        workplace.note(f"{done >> 20} of {total >> 20} MiB")

    payloadwriter.write_full(
        parts.root,
        parts.uki,
        shape.release,
        out / FULL_PAYLOAD,
        chunk_cache=workplace.chunks,
        level=shape.payload_level,
        progress=tell,
    )


def _write_manifest(shape: Shape, origin: Origin, key: str, out: Path) -> None:
    names = sorted(path.name for path in out.iterdir())
    with ThreadPoolExecutor() as pool:
        digests = list(pool.map(lambda name: sparsefile.sha256(out / name), names))
    files = {
        name: ReleaseFile((out / name).stat().st_size, sha256)
        for name, sha256 in zip(names, digests, strict=True)
    }
    manifest = ReleaseManifest(
        release=shape.release,
        files=files,
        packages=origin.packages,
        kernel=origin.kernel,
        inputs=Inputs(key, origin.lock, origin.tools, shape.epoch, origin.steps),
        closure=json.loads(origin.closure.read_text()),
    )
    (out / FILE_NAME).write_bytes(manifest.encode())
