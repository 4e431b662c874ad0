"""The peer of ``build-image``: mkosi of Debian, building the same kind of image.

A disk with an ESP, an uncompressed EROFS root with dm-verity and a kernel image
with an initrd, from the same package names of the same archives. mkosi gets
its own tree of tools, made here once, and every help it offers: warm package
files, no network, work space and output on one file system, an incremental
cache where that is measured.

What differs, and in whose favour: mkosi makes neither a second slot nor a
payload nor a qcow2, does not check libraries and removes no packages again (its
purge would remove what depends on them too), so it does less; it builds its
initrd from packages of its own, which is more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from builder.cache import Cache
from builder.definition import Definition
from builder.packages.mirrors import Mirrors
from builder.removal import remove_tree
from builder.world import BuildWorld
from hostio.system.runner import Command, Runner
from osmodel import gpt

_SUITE = "trixie"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_RECIPE = 1  # counts changes of how the tree is made
_TOOLS = (
    "apt",
    "ca-certificates",
    "cpio",
    "cryptsetup-bin",
    "debian-archive-keyring",
    "dosfstools",
    "e2fsprogs",
    "erofs-utils",
    "kmod",
    "mkosi",
    "mount",
    "mtools",
    "openssl",
    "python3-pefile",
    "systemd-boot",
    "systemd-cryptsetup",
    "systemd-repart",
    "systemd-ukify",
    "udev",
    "uidmap",
    "zstd",
)
_PARTITIONS = {
    "00-esp": ("Type=esp", "Format=vfat", "CopyFiles=/efi:/", "CopyFiles=/boot:/"),
    "10-root": ("Type=root", "Format=erofs", "CopyFiles=/", "Verity=data"),
    "20-verity": ("Type=root-verity", "Verity=hash"),
}
_INSIDE = Path("/work")
_DIRECTORIES = ("cache", "extra/etc", "mkosi.repart", "out", "packages", "workspace")
_SOURCES = "sandbox/etc/apt/sources.list.d"
MARKER = Path("etc/bench-marker")
"""The overlay file that a warm build finds changed."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a build left behind; sizes in bytes."""

    packages: int
    root: int
    kernel_and_initrd: int


@dataclass(frozen=True, slots=True)
class Mkosi:
    """mkosi, in its own tree.

    Attributes:
        tree: of its tools.
        work: its definition, caches and output.
        host: runs bubblewrap.
    """

    tree: Path
    work: Path
    host: Runner

    def version(self) -> str:
        """As the program says it."""
        return self._run("mkosi", "--version").strip()

    def build(self, *, incremental: bool = False, network: bool = False) -> None:
        """Build the image anew; packages already fetched are not fetched again."""
        options = ["--incremental=yes"] if incremental else []
        options += [] if network else ["--cache-only=always"]
        self._run("mkosi", *options, "--force", "build")

    def change_overlay(self, text: str) -> None:
        """Give the overlay's file another content."""
        (self.work / "extra" / MARKER).write_text(text)

    def forget_packages(self) -> None:
        """Drop the fetched package files and indexes."""
        remove_tree(self.work / "packages")
        (self.work / "packages").mkdir()

    def has_packages(self) -> bool:
        """Whether an earlier build fetched them."""
        return any((self.work / "packages").rglob("*.deb"))

    def made(self) -> Made:
        """Facts of the last build."""
        out = self.work / "out"
        manifest = json.loads((out / "peer_1.0.0.manifest").read_text())
        pieces = [(out / f"peer_1.0.0.{kind}").stat().st_size for kind in ("vmlinuz", "initrd")]
        return Made(len(manifest["packages"]), _root_size(out / "peer_1.0.0.raw"), sum(pieces))

    def write_definition(self, image: Definition, mirrors: Mirrors) -> None:
        """Describe ``image`` to mkosi."""
        for name in (*_DIRECTORIES, _SOURCES):
            (self.work / name).mkdir(parents=True, exist_ok=True)
        packages = sorted({*image.packages, image.kernel, "systemd-boot"})
        (self.work / "mkosi.conf").write_text(_configuration(packages))
        (self.work / _SOURCES / "mkosi.sources").write_text(_sources(mirrors))
        for name, lines in _PARTITIONS.items():
            text = "\n".join(("[Partition]", *lines, *_limits(name, image.disk.esp >> 20), ""))
            (self.work / "mkosi.repart" / f"{name}.conf").write_text(text)

    def _run(self, *argv: str) -> str:
        call = ["bwrap", "--die-with-parent", "--unshare-pid", "--cap-add", "ALL"]
        call += ["--bind", str(self.tree), "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc"]
        call += ["--bind", "/sys", "/sys", "--tmpfs", "/tmp"]  # noqa: S108 - inside
        call += ["--ro-bind-try", str(Path("/etc/resolv.conf").resolve()), "/etc/resolv.conf"]
        call += ["--bind", str(self.work), str(_INSIDE), "--chdir", str(_INSIDE)]
        command = Command([*call, "--", *argv], env={"HOME": "/root"}, timeout=3600)
        return self.host.run(command).decode(errors="replace")


def prepared(world: BuildWorld, work: Path) -> Mkosi:
    """Make mkosi ready to run; its tools are fetched and unpacked the first time."""
    recipe = json.dumps([_RECIPE, _SUITE, _TOOLS])
    key = hashlib.sha256(recipe.encode()).hexdigest()[:32]
    trees = Cache(work.parent)
    tree = trees.entry("mkosi-tools", key, partial(_make_tree, world))
    return Mkosi(tree, work, world.runner)


def _make_tree(world: BuildWorld, draft: Path) -> None:
    mirrors = world.mirrors()
    lines = [
        f"deb [signed-by={_KEYRING}] {address} {suite} main"
        for address, suite in (
            (mirrors.main, _SUITE),
            (mirrors.main, f"{_SUITE}-updates"),
            (mirrors.security, f"{_SUITE}-security"),
        )
    ]
    argv = ["mmdebstrap", "--mode=root", "--variant=apt", "--format=directory"]
    argv += [f"--include={','.join(_TOOLS)}", "--skip=check/empty", _SUITE, str(draft), "-"]
    world.runner.run(Command(argv, stdin="\n".join(lines).encode(), timeout=3600))
    (draft / "work").mkdir()
    resolver = draft / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    resolver.touch()


def _configuration(packages: Sequence[str]) -> str:
    sections = {
        "Distribution": ["Distribution=debian", f"Release={_SUITE}", "Architecture=x86-64"],
        "Output": ["Format=disk", "ImageId=peer", "ImageVersion=1.0.0", "OutputDirectory=out"],
        "Build": [
            "BuildSources=",
            "CacheDirectory=cache",
            "PackageCacheDirectory=packages",
            "SandboxTrees=sandbox",
            "WorkspaceDirectory=workspace",
        ],
        "Content": [
            "Bootable=yes",
            "Bootloader=systemd-boot",
            "CleanPackageMetadata=yes",
            "ExtraTrees=extra",
            "SourceDateEpoch=1700000000",
            "WithDocs=no",
            f"Packages={','.join(packages)}",
        ],
    }
    sections["Output"].append("ManifestFormat=json")
    texts = ["\n".join((f"[{name}]", *lines, "")) for name, lines in sections.items()]
    return "\n".join(texts)


def _sources(mirrors: Mirrors) -> str:
    pools = ((mirrors.main, f"{_SUITE} {_SUITE}-updates"), (mirrors.security, f"{_SUITE}-security"))
    return "\n".join(
        f"Types: deb\nURIs: {address}\nSuites: {suites}\nComponents: main\nSigned-By: {_KEYRING}\n"
        for address, suites in pools
    )


def _limits(name: str, esp_mib: int) -> tuple[str, ...]:
    if name == "00-esp":
        return (f"SizeMinBytes={esp_mib}M", f"SizeMaxBytes={esp_mib}M")
    return ("VerityMatchKey=root", "Minimize=best")


def _root_size(disk: Path) -> int:
    with disk.open("rb") as file:

        def read(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(length)

        table = gpt.parse(read, 512, disk.stat().st_size // 512)
    (root,) = [
        entry
        for entry in table.partitions
        if entry.label.startswith("root-x86-64") and not entry.label.endswith("verity")
    ]
    return root.sectors * 512
