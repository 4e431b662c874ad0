"""The result of a build: a directory with the files of one release.

It is made beside its place and renamed into it, so that a reader never sees
half of a release; an earlier build of the same version is replaced. Its
manifest holds the digest of everything it was made from: when nothing changed,
nothing is written.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from builder.cache import remove_tree
from builder.image import bmap, compressed, disk, diskmap, esp, formats, hybridmbr, sparsefile
from builder.image.disk import DiskContents, DiskOptions
from builder.image.esp import EspOptions
from builder.imagesteps import EROFS, UKI, VERITY, ImageSteps
from builder.payload import payloadwriter
from builder.steps import Steps, code_digest, digest, file_digest
from hostio.files.durable import sync_directory
from hostio.system.runner import Command, Runner
from osmodel import bootentry, gpt, partitions, slotstate
from osmodel.faults import InvalidInput
from osmodel.platforms import Platform
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
"""What people write onto a card; see ``builder.flash``."""


@dataclass(frozen=True, slots=True)
class ReleaseDirectory:
    """Puts one release together from finished steps.

    Attributes:
        steps: the finished steps.
        report: times the work.
        chunks: cache of compressed pieces of payloads.
    """

    steps: ImageSteps
    report: Steps
    chunks: Path

    @property
    def path(self) -> Path:
        """Where the release is, or will be."""
        request = self.steps.trees.request
        return request.out / request.name

    @property
    def key(self) -> str:
        """Digest of everything the release is made from."""
        request = self.steps.trees.request
        sizes = request.image.disk
        forms = [disk, diskmap, hybridmbr, esp, bmap, compressed, formats, sparsefile]
        code = code_digest([*forms, payloadwriter, gpt, partitions, bootentry, slotstate])
        parts = [step.key for step in self.steps.all]
        shape = [sizes.slot, sizes.verity, sizes.esp, request.with_payload]
        shape.append(request.payload_level)
        return digest([parts, shape, code, request.name])

    def is_current(self) -> bool:
        """Whether the release is there, whole, and made from the same inputs."""
        try:
            manifest = ReleaseManifest.parse((self.path / FILE_NAME).read_bytes())
            files = manifest.files.items()
            sizes = [(self.path / name).stat().st_size == file.size for name, file in files]
        except (OSError, InvalidInput):
            return False  # of an earlier format, or damaged: made again
        return manifest.inputs is not None and manifest.inputs.key == self.key and all(sizes)

    def make(self) -> None:
        """Write the release; replaces what is there."""
        request = self.steps.trees.request
        request.out.mkdir(parents=True, exist_ok=True)
        draft = request.out / f".{request.name}.draft"
        remove_tree(draft)
        draft.mkdir()
        try:
            self._fill(draft)
            remove_tree(self.path)
            draft.rename(self.path)
        except BaseException:
            remove_tree(draft)
            raise
        sync_directory(request.out)

    def _fill(self, draft: Path) -> None:
        self.report.timed("disk", lambda: self._disk(draft))
        self.report.timed("qcow2", lambda: self._qcow2(draft))
        if self._is_board:
            self.report.timed("card", lambda: compressed.pack(draft / DISK, self._card(draft)))
        if self.steps.trees.request.with_payload:
            self.report.timed("payload", lambda: self._payload(draft))
        self.report.timed("manifest", lambda: self._manifest(draft))

    def _disk(self, draft: Path) -> None:
        trees = self.steps.trees
        request, sizes = trees.request, trees.request.image.disk
        files = self.steps.files()
        runner = trees.tools.runner([trees.steps.cache.directory, draft.absolute()])
        # Copied, not linked: whoever changes a release must not change the cache.
        for name, source in files.items():
            target = str(draft.absolute() / name)
            runner.run(Command(["cp", "--reflink=auto", str(source), target]))
        boot = draft.absolute() / "esp"
        self._esp(runner, files[UKI], boot)
        contents = DiskContents(boot, files[EROFS], files[VERITY], self.steps.root_hash)
        shape = DiskOptions(
            request.image.name,
            request.architecture,
            sizes.esp,
            sizes.slot,
            sizes.verity,
            request.platform,
        )
        table = disk.make_disk(contents, draft / DISK, shape)
        if self._is_board:
            found = bmap.map_image(draft / DISK, diskmap.used_ranges(table, contents))
            name = f"{request.name}{IMAGE}{bmap.SUFFIX}"
            (draft / name).write_text(bmap.to_text(found))
        boot.unlink()

    @property
    def _is_board(self) -> bool:
        return self.steps.trees.request.platform is Platform.RASPBERRYPI

    def _card(self, draft: Path) -> Path:
        return draft / f"{self.steps.trees.request.name}{IMAGE}{compressed.SUFFIX}"

    def _esp(self, runner: Runner, uki: Path, out: Path) -> None:
        request = self.steps.trees.request
        entry = bootentry.armed(str(request.version)).filename
        options = EspOptions(
            request.architecture,
            request.image.disk.esp,
            slotstate.entry_name("a") if self._is_board else entry,
            request.volume_id,
            self.steps.trees.lock.epoch,
        )
        if self._is_board:
            esp.make_board_fat(runner, uki, self.steps.boot_files(), out, options)
        else:
            esp.make_esp(runner, uki, self.steps.loader(), out, options)

    def _qcow2(self, draft: Path) -> None:
        place = draft.absolute()
        runner = self.steps.trees.tools.runner([place])
        formats.make_format(runner, place / DISK, place / QCOW2, "qcow2")

    def _payload(self, draft: Path) -> None:
        self.chunks.mkdir(parents=True, exist_ok=True)

        def tell(done: int, total: int) -> None:
            self.report.report.note(f"{done >> 20} of {total >> 20} MiB")

        payloadwriter.write_full(
            draft / EROFS,
            draft / UKI,
            self.steps.trees.request.release(self.steps.root_hash),
            draft / FULL_PAYLOAD,
            chunk_cache=self.chunks,
            level=self.steps.trees.request.payload_level,
            progress=tell,
        )

    def _manifest(self, draft: Path) -> None:
        names = sorted(path.name for path in draft.iterdir())
        with ThreadPoolExecutor() as pool:
            digests = list(pool.map(lambda name: file_digest(draft / name), names))
        files = {
            name: ReleaseFile((draft / name).stat().st_size, sha256)
            for name, sha256 in zip(names, digests, strict=True)
        }
        (draft / FILE_NAME).write_bytes(self._facts(files).encode())

    def _facts(self, files: dict[str, ReleaseFile]) -> ReleaseManifest:
        trees = self.steps.trees
        request = trees.request
        removed = set(request.image.remove)
        installed = [item for item in trees.lock.packages if item.name not in removed]
        others = (*trees.lock.kernel, *trees.lock.loader, *trees.lock.firmware)
        packages = sorted([*installed, *others], key=str)
        return ReleaseManifest(
            release=request.release(self.steps.root_hash),
            files=files,
            packages=[Package(item.name, item.version) for item in packages],
            kernel=self.steps.kernel_release,
            inputs=Inputs(
                key=self.key,
                lock=trees.lock.digest,
                tools=trees.tools.digest,
                epoch=trees.lock.epoch,
                steps={step.name: step.key for step in self.steps.all},
            ),
            closure=trees.report(),
        )
