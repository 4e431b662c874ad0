"""The peer of our boot: the same system started by Debian's own initramfs.

Made from a release directory. Firmware, loader, ESP, partition table, kernel
file, kernel arguments and the root's files stay as they are; only these differ:
the kernel image carries an initramfs made by initramfs-tools in a Debian tree
with the same kernel package, and the root partition holds the files as a
writable ext4, with neither dm-verity nor an overlay nor a state partition.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from builder import definition
from builder.boot import uki
from builder.cache import Cache
from builder.image.disk import SECTOR
from builder.machine.world import Tools
from builder.packages import localrepo, lockfile
from builder.packages.lock import Lock
from builder.removal import remove_tree
from builder.world import BuildWorld
from hostio.system.runner import Command, Runner
from osmodel import gpt, partitions
from osmodel.faults import HostFailure
from osmodel.releasemanifest import FILE_NAME, ReleaseManifest

_RECIPE = 1  # counts changes of how the tree is made
_PACKAGES = ("busybox", "e2fsprogs", "initramfs-tools", "kmod", "udev", "zstd")
_STUB = Path("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")  # of the tools
_ROOT = partitions.root_label("a")


@dataclass(frozen=True, slots=True)
class Peer:
    """Makes the peer's disk.

    Attributes:
        world: the builder's ports.
        tools: programs of the tools tree.
        image: definition directory the release was built from.
        work: scratch space; the disk ends up in it.
    """

    world: BuildWorld
    tools: Tools
    image: Path
    work: Path

    def disk(self, release: Path) -> Path:
        """A directory with the peer's ``disk.raw``, made anew.

        Raises:
            HostFailure: a tool failed, or the kernels differ.
        """
        debian = self._debian(
            lockfile.load(definition.load(self.image).lock, refresh="build-image lock")
        )
        remove_tree(self.work)
        self.work.mkdir(parents=True)
        tools = self.tools.runner((release, debian, self.work))
        tree, out = self.work / "tree", self.work / "disk.raw"
        argv = ("fsck.erofs", f"--extract={tree}", str(release / "root.erofs"))
        tools.run(Command(argv, timeout=1200))
        tools.run(Command(("cp", "--sparse=always", str(release / "disk.raw"), str(out))))
        table = _table(out)
        kernel_image = self._kernel_image(tools, debian, release, table)
        self._replace_entry(tools, out, table, kernel_image)
        self._replace_root(tools, tree, out, table)
        remove_tree(tree)
        return self.work

    def _debian(self, packages: Lock) -> Path:
        """A Debian tree with the kernel of ``packages`` and its initramfs."""

        def make(draft: Path) -> None:
            repository = draft.with_name(f"{draft.name}-repository")
            remove_tree(repository)
            repository.mkdir()
            files = self.world.debs().fetch(packages.kernel, packages.snapshot)
            own = localrepo.write(repository, packages.suite, files, self.world.runner)
            mirrors = self.world.mirrors()
            signed = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
            lines = [own, f"deb {signed} {mirrors.main} {packages.suite} main"]
            lines.append(f"deb {signed} {mirrors.security} {packages.suite}-security main")
            names = [*_PACKAGES, *(f"{item.name}={item.version}" for item in packages.kernel)]
            argv = ["mmdebstrap", "--mode=root", "--variant=apt", "--format=directory"]
            argv += ["--skip=check/empty", f"--include={','.join(names)}"]
            argv += [packages.suite, str(draft), "-"]
            command = Command(argv, stdin="\n".join(lines).encode(), timeout=3600)
            self.world.runner.run(command)
            remove_tree(repository)

        digest = "-".join(item.sha256[:16] for item in packages.kernel)
        return Cache(self.work.parent).entry("debian", f"{digest}-{_RECIPE}", make)

    def _kernel_image(self, tools: Runner, debian: Path, release: Path, table: gpt.Gpt) -> Path:
        """The release's kernel and command line with Debian's initramfs."""
        (kernel,) = (debian / "boot").glob("vmlinuz-*")
        (initrd,) = (debian / "boot").glob("initrd.img-*")
        if kernel.read_bytes() not in (release / "uki.efi").read_bytes():
            raise HostFailure(
                f"the release has another kernel than {kernel.name}",
                hint="build it again from the present lock",
            )
        ours = ReleaseManifest.parse((release / FILE_NAME).read_bytes()).release
        options = uki.UkiOptions(
            architecture=ours.architecture,
            kernel_release=kernel.name.removeprefix("vmlinuz-"),
            root_hash=ours.root_hash,
            arguments=(f"root=PARTUUID={_partition(table, _ROOT).guid}", "rootfstype=ext4", "rw"),
        )
        out = self.work / "uki.efi"
        os_release = self.work / "tree/usr/lib/os-release"
        uki.make_uki(tools, uki.UkiParts(_STUB, kernel, initrd, os_release), out, options)
        return out

    def _replace_entry(self, tools: Runner, disk: Path, table: gpt.Gpt, image: Path) -> None:
        esp = f"{disk}@@{_partition(table, partitions.ESP).first_lba * SECTOR}"
        variables = {"MTOOLS_SKIP_CHECK": "1"}
        listing = Command(("mdir", "-b", "-i", esp, "::/EFI/Linux"), env=variables)
        (entry,) = tools.run(listing).decode().split()
        copy = ("mcopy", "-o", "-i", esp, str(image), entry)
        tools.run(Command(copy, env=variables))

    def _replace_root(self, tools: Runner, tree: Path, disk: Path, table: gpt.Gpt) -> None:
        root = _partition(table, _ROOT)
        offset, size = root.first_lba * SECTOR, root.sectors * SECTOR
        options = f"offset={offset},lazy_itable_init=0,lazy_journal_init=0"
        argv = ("mkfs.ext4", "-q", "-F", "-E", options, "-d", str(tree), str(disk))
        tools.run(Command((*argv, f"{size // 1024}k"), timeout=600))


def _table(disk: Path) -> gpt.Gpt:
    with disk.open("rb") as file:

        def read(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(length)

        return gpt.parse(read, SECTOR, disk.stat().st_size // SECTOR)


def _partition(table: gpt.Gpt, label: str) -> gpt.Partition:
    found = table.find(label)
    if found is None:
        raise HostFailure(f"the disk has no partition {label}")
    return found
