"""The steps from a root tree to a kernel image that opens it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from builder.boot import efifiles, initrd, kernel, uki
from builder.image import rootimage
from builder.inputs import Derived, Named
from builder.steps import Step
from builder.treesteps import ROOT, TreeSteps


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
        image = self.trees.request.image
        options = rootimage.RootOptions(image.name, image.disk.slot, self.trees.lock.epoch)
        inputs = {
            "tools": self.trees.runner,
            "tree": self.trees.steps.result(self.trees.root, ROOT),
            "options": options,
            "source": Named(image.source, "for messages"),
        }
        return Step("filesystem", rootimage.make, inputs)

    @cached_property
    def initrd(self) -> Step:
        """The initrd: from the shared tree, so overlays neither change nor rebuild it."""
        options = {
            "architecture": self.trees.request.architecture,
            "kernel_release": self.kernel_release,
            "extra_modules": self.trees.request.image.modules,
        }
        inputs = {
            "tools": self.trees.runner,
            "root": self.trees.steps.result(self.trees.shared, ROOT),
            "options": Derived(initrd.InitrdOptions, options),
        }
        return Step("initrd", initrd.make, inputs)

    @cached_property
    def uki(self) -> Step:
        """The kernel image."""
        request, result = self.trees.request, self.trees.steps.result
        parts = {
            "stub": result(self.trees.stub, efifiles.STUB.file),
            "kernel": result(self.trees.kernel, kernel.IMAGE),
            "initrd": result(self.initrd, initrd.FILE),
            "os_release": result(self.trees.root, f"{ROOT}/usr/lib/os-release"),
        }
        options = {
            "architecture": request.architecture,
            "kernel_release": self.kernel_release,
            "root_hash": self.root_hash,
            "arguments": request.command_line,
            "platform": request.platform,
        }
        inputs = {
            "tools": self.trees.runner,
            "parts": Derived(uki.UkiParts, parts),
            "options": Derived(uki.UkiOptions, options),
        }
        return Step("uki", uki.make, inputs)

    @property
    def all(self) -> tuple[Step, ...]:
        """Every step, in an order that works."""
        trees = self.trees
        unpacked = (trees.kernel, trees.stub, *filter(None, [trees.loader, trees.firmware]))
        made = (trees.shared, trees.scan, trees.root, trees.closure)
        return (trees.bootstrap, *unpacked, *made, self.filesystem, self.initrd, self.uki)

    @property
    def root_hash(self) -> Derived:
        """Of the file system: 64 hex digits."""
        made = self.trees.steps.result(self.filesystem)
        return Derived(rootimage.root_hash_of, {"made": made})

    @property
    def kernel_release(self) -> Derived:
        """Of the unpacked kernel, as ``uname --kernel-release`` prints it."""
        return Derived(kernel.release_of, {"out": self.trees.steps.result(self.trees.kernel)})
