"""The step from finished parts to a release directory, and where that lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from builder import release
from builder.boot import efifiles, uki
from builder.elf import closure
from builder.image import rootimage
from builder.image.disk import DiskOptions
from builder.imagesteps import ImageSteps
from builder.inputs import OWN_KEY, Derived, Named
from builder.packages import lockfile
from builder.removal import remove_tree
from builder.steps import Step
from hostio.files.durable import sync_directory
from hostio.files.lock import locked_in_turn
from osmodel.faults import InvalidInput
from osmodel.release import Release
from osmodel.releasemanifest import FILE_NAME, Package, ReleaseManifest


@dataclass(frozen=True, slots=True)
class ReleaseShelf:
    """Keeps a release where the caller wants it, not in the cache.

    It is made beside its place and renamed into it, so that a reader never sees
    half of a release; an earlier build of the same version is replaced.

    Attributes:
        out: receives the directory.
        name: of the directory.
    """

    out: Path
    name: str

    def place(self, step: Step) -> Path:
        """See :meth:`builder.steps.Shelf.place`."""
        del step  # the place is the same for every build of a version
        return self.out / self.name

    def ready(self, step: Step) -> bool:
        """Whether the release is there, whole, and made from the same inputs."""
        place = self.place(step)
        try:
            manifest = ReleaseManifest.parse((place / FILE_NAME).read_bytes())
            files = manifest.files.items()
            sizes = [(place / name).stat().st_size == file.size for name, file in files]
        except (OSError, InvalidInput):
            return False  # of an earlier format, or damaged: made again
        return manifest.inputs is not None and manifest.inputs.key == step.key and all(sizes)

    def fill(self, step: Step) -> None:
        """See :meth:`builder.steps.Shelf.fill`."""
        self.out.mkdir(parents=True, exist_ok=True)
        lock = self.out / f".{self.name}.lock"
        with locked_in_turn(lock):
            if not self.ready(step):
                self._fill(step)
            lock.unlink()

    def _fill(self, step: Step) -> None:
        place, draft = self.place(step), self.out / f".{self.name}.draft"
        remove_tree(draft)  # of a build that was killed
        draft.mkdir()
        try:
            step.make(draft)
            remove_tree(place)
            draft.rename(place)
        except BaseException:
            remove_tree(draft)
            raise
        sync_directory(self.out)


@dataclass(frozen=True)
class ReleaseSteps:
    """The last step of one request.

    Attributes:
        images: the steps before it.
        chunks: cache of compressed pieces of payloads.
    """

    images: ImageSteps
    chunks: Path

    @property
    def all(self) -> Sequence[Step]:
        """Every step of the build, in an order that works."""
        return (*self.images.all, self.release)

    @cached_property
    def release(self) -> Step:
        """The release directory."""
        request = self.images.trees.request
        inputs = {
            "parts": self._parts,
            "shape": self._shape,
            "origin": self._origin,
            "workplace": self._workplace,
            "key": OWN_KEY,
        }
        return Step("release", release.make, inputs, ReleaseShelf(request.out, request.name))

    @property
    def _parts(self) -> Derived:
        trees, result = self.images.trees, self.images.trees.steps.result
        made = {
            "root": result(self.images.filesystem, rootimage.EROFS),
            "verity": result(self.images.filesystem, rootimage.VERITY),
            "uki": result(self.images.uki, uki.FILE),
            "loader": result(trees.loader, efifiles.LOADER.file) if trees.loader else None,
            "firmware": result(trees.firmware) if trees.firmware else None,
        }
        return Derived(release.Parts, made)

    @property
    def _shape(self) -> Derived:
        request = self.images.trees.request
        sizes = request.image.disk
        identity = {
            "image": request.image.name,
            "architecture": request.architecture,
            "platform": request.platform.value,
            "version": request.version,
            "root_hash": self.images.root_hash,
        }
        shape = {
            "name": request.name,
            "release": Derived(Release, identity),
            "disk": DiskOptions(
                request.image.name,
                request.architecture,
                sizes.esp,
                sizes.slot,
                sizes.verity,
                request.platform,
            ),
            "volume_id": request.volume_id,
            "epoch": self.images.trees.lock.epoch,
            "payload_level": request.payload_level if request.with_payload else 0,
        }
        return Derived(release.Shape, shape)

    @property
    def _origin(self) -> Derived:
        trees = self.images.trees
        removed = set(trees.request.image.remove)
        installed = [item for item in trees.lock.packages if item.name not in removed]
        others = (*trees.lock.kernel, *trees.lock.loader, *trees.lock.firmware)
        packages = sorted([*installed, *others], key=str)
        origin = {
            "packages": tuple(Package(item.name, item.version) for item in packages),
            "kernel": self.images.kernel_release,
            "lock": lockfile.digest(trees.lock),
            "tools": trees.tools.digest,
            "steps": {step.name: step.key for step in self.images.all},
            "closure": trees.steps.result(trees.closure, closure.FILE),
        }
        return Derived(release.Origin, origin)

    @property
    def _workplace(self) -> Named:
        trees = self.images.trees
        place = release.Workplace(
            trees.tools,
            [trees.steps.cache.directory],
            self.chunks,
            trees.steps.timed,
            trees.steps.report.note,
        )
        return Named(place, trees.tools.digest)
