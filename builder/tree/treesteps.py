"""The steps from locked packages to a checked root tree."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from builder.packages import localrepo
from builder.packages.lock import Lock, LockedPackage
from builder.packages.toolstree import ToolsTree
from builder.request import BuildRequest
from builder.steps import Step, Steps, file_digest, tree_digest
from builder.tree import (
    accounts,
    bootstrap,
    closure,
    elfscan,
    factory,
    hardening,
    identity,
    kernel,
    loader,
    merging,
    programs,
    pycompile,
    roottree,
    stripping,
)
from hostio.runner import Runner

ROOT = "root"
_SCAN = "scan.json"
REPORT = "closure.json"


@dataclass(frozen=True)
class TreeSteps:
    """Steps of one request; each property is one, and names those before it.

    Attributes:
        request: what is built.
        lock: its packages.
        files: the .deb file of each.
        tools: programs the steps run.
        steps: where results are.
    """

    request: BuildRequest
    lock: Lock
    files: Mapping[LockedPackage, Path]
    tools: ToolsTree
    steps: Steps

    @cached_property
    def bootstrap(self) -> Step:
        """Debian, configured."""
        ids = self.request.image.ids
        packages = [[item.name, item.sha256] for item in self.lock.packages]
        return Step(
            "bootstrap",
            {"packages": packages, "epoch": self.lock.epoch, "ids": asdict(ids), **self._tools},
            (bootstrap, accounts, localrepo),
            lambda out: bootstrap.make(self.lock, self.files, ids, self.tools, out),
        )

    @cached_property
    def kernel(self) -> Step:
        """The kernel and its modules."""
        leave_out = self.request.image.leave_out
        return Step(
            "kernel",
            {"packages": _digests(self.lock.kernel), "leave_out": leave_out, **self._tools},
            (kernel,),
            lambda out: kernel.unpack(
                [self.files[item] for item in self.lock.kernel], leave_out, self.runner, out
            ),
        )

    @cached_property
    def loader(self) -> Step:
        """The boot loader."""
        (package,) = self.lock.loader
        architecture = self.request.architecture
        return Step(
            "loader",
            {"package": package.sha256, "architecture": architecture},
            (loader,),
            lambda out: loader.extract(self.files[package], architecture, self.runner, out),
        )

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
        }

        def make(out: Path) -> None:
            base = self.steps.place(self.bootstrap) / ROOT
            modules = self.steps.place(self.kernel) / ROOT
            roottree.trunk(base, modules, remove, self.runner, out / ROOT)
            found = elfscan.scan(out / ROOT)
            (out / _SCAN).write_text(elfscan.to_json(found))

        code = (roottree, stripping, programs, merging, accounts, pycompile, elfscan)
        return Step("trunk", inputs, code, make)

    @cached_property
    def root(self) -> Step:
        """The root tree of this version."""
        who = self.request.identity
        inputs = {
            "trunk": self.trunk.key,
            "overlays": [tree_digest(path) for path in self.request.trees],
            "identity": [who.image, who.architecture, who.version, who.update_url],
            "trust_root": file_digest(who.trust_root) if who.trust_root else "",
            "epoch": self.lock.epoch,
        }

        def make(out: Path) -> None:
            roottree.finish(
                self.steps.place(self.trunk) / ROOT,
                self.request.trees,
                who,
                epoch=self.lock.epoch,
                tools=self.runner,
                root=out / ROOT,
            )

        return Step("root", inputs, (roottree, merging, identity, accounts, factory), make)

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

        return Step("closure", inputs, (closure, elfscan, hardening), make)

    def report(self) -> Mapping[str, object]:
        """What the finished closure step found."""
        text = (self.steps.place(self.closure) / REPORT).read_text()
        return cast("dict[str, Any]", json.loads(text))

    @property
    def runner(self) -> Runner:
        """Runs tools that see the cache and nothing else."""
        return self.tools.runner([self.steps.cache.directory])

    @property
    def _tools(self) -> dict[str, str]:
        return {"tools": self.tools.digest}

    def _scanned(self, root: Path) -> dict[str, elfscan.Elf]:
        """The trunk's scan, with the files that overlays brought read anew."""
        found = elfscan.from_json((self.steps.place(self.trunk) / _SCAN).read_text())
        laid = {name for tree in self.request.trees for name in _names(tree)}
        kept = {name: elf for name, elf in found.items() if name not in laid}
        return {**kept, **elfscan.scan(root, sorted(laid))}


def _names(tree: Path) -> Iterable[str]:
    return (posixpath.join(*path.relative_to(tree).parts) for path in tree.rglob("*"))


def _digests(packages: Iterable[LockedPackage]) -> list[str]:
    return [package.sha256 for package in packages]
