"""The steps from locked packages to a checked root tree."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from builder import identity
from builder.boot import bootscript, efifiles, kernel, pifirmware
from builder.elf import closure, hardening, scan
from builder.packages import emulation, localrepo
from builder.packages.emulation import Emulation
from builder.packages.lock import Lock, LockedPackage
from builder.packages.toolstree import ToolsTree
from builder.request import BuildRequest
from builder.steps import Step, Steps, file_digest, tree_digest
from builder.tree import (
    accounts,
    bootstrap,
    diversions,
    factory,
    overlaytree,
    programs,
    pycompile,
    roottree,
    stripping,
)
from hostio.system.runner import Runner
from osmodel import firmwarefiles, slotstate, trailingchecksum

ROOT = "root"
_FIRMWARE_CODE = (pifirmware, bootscript, firmwarefiles, slotstate, trailingchecksum)
_SCAN = "scan.json"
REPORT = "closure.json"


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
        ids = self.request.image.ids
        packages = [[item.name, item.sha256] for item in self.lock.packages]
        return Step(
            "bootstrap",
            {"packages": packages, "epoch": self.lock.epoch, "ids": asdict(ids), **self._tools},
            (bootstrap, accounts, diversions, emulation, localrepo),
            lambda out: bootstrap.make(self.lock, self.files, ids, self.emulation, out),
        )

    @cached_property
    def kernel(self) -> Step:
        """The kernel and its modules."""
        choice = kernel.ModuleChoice(self.request.image.leave_out, self.request.image.keep)
        return Step(
            "kernel",
            {"packages": _digests(self.lock.kernel), "choice": asdict(choice), **self._tools},
            (kernel,),
            lambda out: kernel.unpack(
                [self.files[item] for item in self.lock.kernel], choice, self.runner, out
            ),
        )

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
        (package,) = packages
        architecture = self.request.architecture
        return Step(
            name,
            {"package": package.sha256, "architecture": architecture, **self._tools},
            (efifiles,),
            lambda out: efifiles.extract(
                self.files[package], chosen, architecture, self.runner, out
            ),
        )

    @cached_property
    def firmware(self) -> Step | None:
        """What a board reads before any kernel; none where the machine has it built in."""
        if not self.lock.firmware:
            return None
        inputs = {
            "packages": _digests(self.lock.firmware),
            "kernel": self.kernel.key,
            "epoch": self.lock.epoch,
            **self._tools,
        }

        def make(out: Path) -> None:
            packages = [*self.lock.firmware, *self.lock.kernel]
            sources = pifirmware.FirmwareSources(
                {item.name: self.files[item] for item in self.lock.firmware},
                {item.name: item.version for item in packages},
                self.steps.place(self.kernel) / kernel.DEVICE_TREES,
                self.lock.epoch,
            )
            pifirmware.make_firmware(self.runner, sources, out)

        return Step("firmware", inputs, _FIRMWARE_CODE, make)

    @cached_property
    def trunk(self) -> Step:
        """What all versions of the definition share."""
        remove = self.request.image.remove
        sources = {name: tree_digest(programs.SOURCES / name) for name in programs.PACKAGES}
        inputs = {
            "base": self.bootstrap.key,
            "kernel": self.kernel.key,
            "remove": remove,
            "sources": sources,
            **self._tools,
        }

        def make(out: Path) -> None:
            base = self.steps.place(self.bootstrap) / ROOT
            modules = self.steps.place(self.kernel) / ROOT
            program = base / "usr/sbin/ldconfig"
            ldconfig = self.emulation.program(self.lock.architecture, program)
            roottree.trunk(
                base, modules, remove, tools=self.runner, ldconfig=ldconfig, root=out / ROOT
            )
            found = scan.scan(out / ROOT)
            (out / _SCAN).write_text(scan.to_json(found))

        code = (roottree, stripping, programs, overlaytree, accounts, pycompile, scan)
        return Step("trunk", inputs, code, make)

    @cached_property
    def root(self) -> Step:
        """The root tree of this version."""
        who = self.request.identity
        inputs = {
            "trunk": self.trunk.key,
            "firmware": self.firmware.key if self.firmware else "",
            "overlays": [tree_digest(path) for path in self.request.trees],
            "identity": [who.image, who.architecture, who.platform, who.version, who.update_url],
            "trust_root": file_digest(who.trust_root) if who.trust_root else "",
            "epoch": self.lock.epoch,
        }

        def make(out: Path) -> None:
            boards = [self.steps.place(self.firmware) / ROOT] if self.firmware else []
            roottree.finish(
                self.steps.place(self.trunk) / ROOT,
                [*boards, *self.request.trees],
                who,
                epoch=self.lock.epoch,
                tools=self.runner,
                root=out / ROOT,
            )

        return Step("root", inputs, (roottree, overlaytree, identity, accounts, factory), make)

    @cached_property
    def closure(self) -> Step:
        """The check that every library is there."""
        allowed = self.request.image.allowed
        inputs = {"root": self.root.key, "allow": [asdict(entry) for entry in allowed]}

        def make(out: Path) -> None:
            root = self.steps.place(self.root) / ROOT
            found = self._scanned(root)
            architecture = self.request.architecture
            shelves = closure.library_directories(root, architecture)
            exists = closure.existence(root)
            result = closure.check(found, exists, architecture, shelves, allowed)
            report = {**asdict(result), "hardening": asdict(hardening.summary(found))}
            (out / REPORT).write_text(json.dumps(report, sort_keys=True))

        return Step("closure", inputs, (closure, scan, hardening), make)

    def report(self) -> Mapping[str, object]:
        """What the finished closure step found."""
        text = (self.steps.place(self.closure) / REPORT).read_text()
        return cast("dict[str, Any]", json.loads(text))

    @property
    def tools(self) -> ToolsTree:
        """Programs the steps run."""
        return self.emulation.tools

    @property
    def runner(self) -> Runner:
        """Runs tools that see the cache and nothing else."""
        return self.tools.runner([self.steps.cache.directory])

    @property
    def _tools(self) -> dict[str, str]:
        return {"tools": self.tools.digest}

    def _scanned(self, root: Path) -> dict[str, scan.Elf]:
        """The trunk's scan, with the files that overlays brought read anew."""
        found = scan.from_json((self.steps.place(self.trunk) / _SCAN).read_text())
        laid = {name for tree in self.request.trees for name in _names(tree)}
        kept = {name: elf for name, elf in found.items() if name not in laid}
        return {**kept, **scan.scan(root, sorted(laid))}


def _names(tree: Path) -> Iterable[str]:
    return (posixpath.join(*path.relative_to(tree).parts) for path in tree.rglob("*"))


def _digests(packages: Iterable[LockedPackage]) -> list[str]:
    return [package.sha256 for package in packages]
