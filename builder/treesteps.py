"""The steps from locked packages to a checked root tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from builder import identity
from builder.boot import efifiles, kernel, pifirmware
from builder.elf import closure, scan
from builder.inputs import Derived, Input, Named, directory, file, tree_digest
from builder.packages.emulation import Emulation
from builder.packages.lock import Lock, LockedPackage
from builder.packages.sandbox import ToolsTree
from builder.request import BuildRequest
from builder.steps import Step, Steps
from builder.tree import bootstrap, filetable, overlaytree, programs, roottree
from builder.tree.overlaytree import Overlay

ROOT = "root"


@dataclass(frozen=True)
class TreeSteps:
    """Steps of one request; each property is one, and names those before it.

    Attributes:
        request: what is built.
        lock: its packages.
        files: the .deb file of each.
        emulation: has the tools that the steps run, and starts programs of the target.
        steps: where results are.
    """

    request: BuildRequest
    lock: Lock
    files: Mapping[LockedPackage, Path]
    emulation: Emulation
    steps: Steps

    @cached_property
    def bootstrap(self) -> Step:
        """Debian, configured."""
        installed = replace(self.lock, wanted=(), kernel=(), loader=(), stub=(), firmware=())
        files = {item: self.files[item] for item in installed.packages}
        inputs = {
            "lock": installed,
            "files": Named(files, _digests(files)),
            "ids": self.request.image.ids,
            "emulation": Named(self.emulation, self.tools.digest),
        }
        return Step("bootstrap", bootstrap.make, inputs)

    @cached_property
    def kernel(self) -> Step:
        """The kernel and its modules."""
        inputs = {
            "debs": self._debs(self.lock.kernel),
            "choice": kernel.ModuleChoice(self.request.image.leave_out, self.request.image.keep),
            "tools": self.runner,
        }
        return Step("kernel", kernel.unpack, inputs)

    @cached_property
    def loader(self) -> Step | None:
        """The boot loader; none where the board's firmware has its own."""
        if not self.lock.loader:
            return None
        return self._efi_file("loader", efifiles.LOADER, self.lock.loader)

    @cached_property
    def stub(self) -> Step:
        """The first part of the kernel image."""
        return self._efi_file("stub", efifiles.STUB, self.lock.stub)

    def _efi_file(
        self, name: str, chosen: efifiles.EfiFile, packages: Sequence[LockedPackage]
    ) -> Step:
        inputs = {
            "debs": self._debs(packages),
            "chosen": chosen,
            "architecture": self.request.architecture,
            "tools": self.runner,
        }
        return Step(name, efifiles.extract, inputs)

    @cached_property
    def firmware(self) -> Step | None:
        """What a board reads before any kernel; none where the machine has it built in."""
        if not self.lock.firmware:
            return None
        packages = [*self.lock.firmware, *self.lock.kernel]
        sources = {
            "debs": self._debs(self.lock.firmware),
            "versions": {item.name: item.version for item in packages},
            "device_trees": self.steps.result(self.kernel, kernel.DEVICE_TREES),
            "epoch": self.lock.epoch,
        }
        inputs = {"tools": self.runner, "sources": Derived(pifirmware.FirmwareSources, sources)}
        return Step("firmware", pifirmware.make_firmware, inputs)

    @cached_property
    def shared(self) -> Step:
        """What all versions of the definition share."""
        base = self.steps.result(self.bootstrap, ROOT)
        ldconfig = {
            "emulation": Named(self.emulation, self.tools.digest),
            "architecture": self.lock.architecture,
            "root": base,
        }
        ours = {name: tree_digest(programs.SOURCES / name) for name in programs.PACKAGES}
        inputs = {
            "base": base,
            "kernel": self.steps.result(self.kernel, ROOT),
            "remove": self.request.image.remove,
            "ids": self.request.image.ids,
            "sources": Named(programs.SOURCES, ours),
            "tools": self.runner,
            "ldconfig": Derived(roottree.ldconfig, ldconfig),
        }
        return Step("shared-tree", roottree.make_shared, inputs)

    @cached_property
    def scan(self) -> Step:
        """What the ELF files of the shared tree say about themselves."""
        return Step("scan", scan.make, {"root": self.steps.result(self.shared, ROOT)})

    @cached_property
    def root(self) -> Step:
        """The root tree of this version."""
        overlays: list[Input] = [Named(item, overlaytree.digest(item)) for item in self._overlays]
        if self.firmware:
            made = {"path": self.steps.result(self.firmware, ROOT)}
            overlays = [Derived(overlaytree.Overlay, made), *overlays]
        who = self.request.identity
        described = {
            "image": who.image,
            "architecture": who.architecture,
            "platform": who.platform,
            "version": who.version,
            "update_url": who.update_url,
            "trust_root": file(who.trust_root),
        }
        inputs = {
            "shared": self.steps.result(self.shared, ROOT),
            "overlays": tuple(overlays),
            "files": self.request.image.files,
            "who": Derived(identity.Identity, described),
            "epoch": self.lock.epoch,
            "tools": self.runner,
        }
        return Step("root", roottree.finish, inputs)

    @cached_property
    def closure(self) -> Step:
        """The check that every library is there."""
        inputs = {
            "root": self.steps.result(self.root, ROOT),
            "scanned": self.steps.result(self.scan, scan.FILE),
            "laid": tuple(directory(item.path) for item in self._overlays),
            "architecture": self.request.architecture,
            "allow": self.request.image.allowed,
        }
        return Step("closure", closure.make, inputs)

    @property
    def tools(self) -> ToolsTree:
        """Programs the steps run."""
        return self.emulation.tools

    @property
    def runner(self) -> Input:
        """Runs tools that see the cache and nothing else."""
        return Named(self.tools.runner([self.steps.cache.directory]), self.tools.digest)

    @cached_property
    def _overlays(self) -> tuple[Overlay, ...]:
        """All overlays of the request, in the order in which they are laid."""
        image, settled = self.request.image, filetable.settled(self.request.image.files)
        versioned = (Overlay(path, versioned=True, settled=settled) for path in image.overlays)
        return (*versioned, *map(Overlay, self.request.overlays))

    def _debs(self, packages: Iterable[LockedPackage]) -> Input:
        """The .deb files of some packages, by name."""
        found = {item.name: self.files[item] for item in packages}
        return Named(found, _digests(packages))


def _digests(packages: Iterable[LockedPackage]) -> list[str]:
    return [package.sha256 for package in packages]
