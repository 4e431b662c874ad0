"""The steps from a root tree to a kernel image that opens it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from builder.boot import efifiles, initrd, initrdpython, kernel, pifirmware, uki
from builder.boot.initrd import InitrdOptions
from builder.boot.uki import UkiOptions, UkiParts
from builder.definition import MIB, ROOM
from builder.elf import needs
from builder.image import erofs, hashtree
from builder.steps import Step
from builder.treesteps import ROOT, TreeSteps
from osmodel import cpio, kernelmodules, trailingchecksum, verity
from osmodel.faults import InvalidInput

EROFS = "root.erofs"
VERITY = "root.verity"
UKI = "uki.efi"
_INITRD = "initrd.cpio"
_ROOT_HASH = "root_hash"


@dataclass(frozen=True)
class ImageSteps:
    """Steps of one request; each property is one, and names those before it.

    Attributes:
        trees: the steps before these.
    """

    trees: TreeSteps

    @cached_property
    def filesystem(self) -> Step:
        """The root file system, its hash tree and its root hash."""
        name = self.trees.request.image.name
        slot = self.trees.request.image.disk.slot
        epoch = self.trees.lock.epoch
        inputs = {
            "root": self.trees.root.key,
            "tools": self.trees.tools.digest,
            "name": name,
            "slot": slot,
            "epoch": epoch,
        }

        def make(out: Path) -> None:
            tree = self._result(self.trees.root) / ROOT
            size = erofs.make_erofs(self.trees.runner, tree, out / EROFS, epoch)
            check_room(size, slot, self.trees.request.image.source)
            root_hash = hashtree.make_hash_tree(out / EROFS, name, out / VERITY)
            (out / _ROOT_HASH).write_text(root_hash)

        return Step("filesystem", inputs, (erofs, hashtree, verity), make)

    @cached_property
    def initrd(self) -> Step:
        """The initrd: from the trunk, so overlays neither change nor rebuild it."""
        architecture = self.trees.request.architecture
        extra = self.trees.request.image.modules
        inputs = {
            "trunk": self.trees.trunk.key,
            "tools": self.trees.tools.digest,
            "architecture": architecture,
            "modules": extra,
        }

        def make(out: Path) -> None:
            scratch = out / "scratch"
            scratch.mkdir()
            options = InitrdOptions(architecture, self.kernel_release, extra)
            tree = self._result(self.trees.trunk) / ROOT
            initrd.make_initrd(self.trees.runner, tree, scratch, out / _INITRD, options)

        code = (initrd, initrdpython, needs, cpio, kernelmodules)
        return Step("initrd", inputs, code, make)

    @cached_property
    def uki(self) -> Step:
        """The kernel image."""
        request = self.trees.request
        inputs = {
            "kernel": self.trees.kernel.key,
            "initrd": self.initrd.key,
            "filesystem": self.filesystem.key,
            "tools": self.trees.tools.digest,
            "stub": self.trees.stub.key,
            "architecture": request.architecture,
            "platform": request.platform,
            "arguments": request.command_line,
        }

        def make(out: Path) -> None:
            options = UkiOptions(
                request.architecture,
                self.kernel_release,
                self.root_hash,
                request.command_line,
                request.platform,
            )
            parts = UkiParts(
                self._result(self.trees.stub) / efifiles.STUB.file,
                self._result(self.trees.kernel) / kernel.IMAGE,
                self._result(self.initrd) / _INITRD,
                self._result(self.trees.root) / ROOT / "usr/lib/os-release",
            )
            uki.make_uki(self.trees.runner, parts, out / UKI, options)

        return Step("uki", inputs, (uki, trailingchecksum), make)

    @property
    def all(self) -> tuple[Step, ...]:
        """Every step, in an order that works."""
        trees = self.trees
        unpacked = (trees.kernel, trees.stub, *filter(None, [trees.loader, trees.firmware]))
        tree_steps = (trees.bootstrap, *unpacked, trees.trunk, trees.root, trees.closure)
        return (*tree_steps, self.filesystem, self.initrd, self.uki)

    @property
    def root_hash(self) -> str:
        """Of the finished file system: 64 hex digits."""
        return (self._result(self.filesystem) / _ROOT_HASH).read_text()

    @property
    def kernel_release(self) -> str:
        """Of the unpacked kernel."""
        return kernel.release_of(self._result(self.trees.kernel))

    def files(self) -> dict[str, Path]:
        """Finished files that belong to the release, by their name in it."""
        made = self._result(self.filesystem)
        return {
            EROFS: made / EROFS,
            VERITY: made / VERITY,
            UKI: self._result(self.uki) / UKI,
        }

    def loader(self) -> Path:
        """The finished boot loader."""
        step = self.trees.loader
        assert step is not None, "a platform without a loader of its own asks for none"
        return self._result(step) / efifiles.LOADER.file

    def boot_files(self) -> dict[str, Path]:
        """The finished files that a board reads, by name; none on other platforms."""
        step = self.trees.firmware
        return {} if step is None else pifirmware.files_for_fat(self._result(step))

    def _result(self, step: Step) -> Path:
        return self.trees.steps.place(step)


def check_room(size: int, slot: int, source: Path) -> None:
    """Refuse a root that leaves too little of its slot free.

    A machine's slots never change their size; every later version must fit.

    Raises:
        InvalidInput: less than 30 % would be left.
    """
    if size <= slot * (1 - ROOM):
        return
    needed = -(-size * 10 // 7 // MIB)
    raise InvalidInput(
        f"{source}: disk.slot_mib: a root of {-(-size // MIB)} MiB leaves less than"
        f" {ROOM:.0%} of a slot of {slot // MIB} MiB free",
        hint=f"set slot_mib to {needed} or more; later versions must fit as well",
    )
