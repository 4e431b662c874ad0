"""The initrd: an archive made from the root tree's own files, and nothing else.

It holds the init program with the Python modules it loads, e2fsck, the
libraries both need, and the kernel modules on the way to a disk. It is written
uncompressed: the kernel image around it is what updates are made of, and a
changed byte should cost a byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.boot import initrdpython
from builder.elf import needed, search
from builder.removal import remove_tree
from hostio.system.runner import Command, Runner
from osmodel import cpio
from osmodel.faults import InvalidInput
from osmodel.kernelmodules import ModuleIndex, module_name, parse_index

FILE = "initrd.cpio"
PROGRAM = "update_engine.initrd.init"
PROGRAMS = ("usr/sbin/e2fsck",)
# Every way to a disk that holds a root, the file systems, the watchdogs.
MODULES = (
    "ahci", "ata_piix", "crc32c_generic", "dm_verity", "ehci_pci", "erofs", "hv_storvsc",
    "i6300esb", "iTCO_wdt", "loop", "mmc_block", "mptspi", "nls_ascii", "nls_cp437",
    "nls_iso8859_1", "nvme", "overlay", "pci_hyperv", "sd_mod", "sdhci_acpi", "sdhci_pci",
    "sha256_arm64", "sha256_ssse3", "sha2_ce", "sp5100_tco", "uas", "usb_storage", "vfat",
    "virtio_blk", "virtio_mmio", "virtio_pci", "virtio_scsi", "vmw_pvscsi", "xen_blkfront",
    "xhci_pci",
)  # fmt: skip
# Without these no machine starts; the others a kernel flavour may not have.
REQUIRED = ("dm_verity", "erofs", "ext4", "overlay", "vfat")

_DIRECTORIES = ("dev", "proc", "run", "sys", "sysroot", "tmp", "usr", "usr/bin", "usr/sbin")
_LINKS = {name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib64")}
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
_INIT = """\
#!/usr/bin/{python} -IS
import sys
sys.path.append("/{home}")
from {module} import main
main(sys.argv[1:])
"""


@dataclass(frozen=True, slots=True)
class InitrdOptions:
    """What goes into an initrd.

    Attributes:
        architecture: ``x86_64`` or ``arm64``.
        kernel_release: the directory in ``usr/lib/modules`` to take modules from.
        extra_modules: modules beside the usual ones; each must exist.
    """

    architecture: str
    kernel_release: str
    extra_modules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InitrdReport:
    """What became of it.

    Attributes:
        size: of the archive in bytes.
        parts: bytes by kind of file.
        modules: names of the kernel modules in it.
    """

    size: int
    parts: dict[str, int]
    modules: tuple[str, ...]


def make(tools: Runner, root: Path, options: InitrdOptions, out: Path) -> None:
    """Fill ``out`` with the initrd of a root tree; see :func:`make_initrd`."""
    scratch = out / "scratch"
    scratch.mkdir()
    make_initrd(tools, root, scratch, out / FILE, options)
    remove_tree(scratch)


def make_initrd(
    tools: Runner, root: Path, scratch: Path, out: Path, options: InitrdOptions
) -> InitrdReport:
    """Write the initrd of a root tree.

    Args:
        tools: runs Python of the image's version; sees ``root`` and ``scratch``.
        root: finished root tree with our packages and the kernel's modules.
        scratch: an empty directory for byte code.
        out: file to write.
        options: what goes in.

    Raises:
        InvalidInput: the tree lacks something that must go in.
        HostFailure: a module does not compile.
    """
    python = _python_of(root)
    triplet = search.TRIPLETS[options.architecture]
    extensions = _compile(tools, [python, str(root), triplet, PROGRAM, str(scratch)])
    programs = [f"usr/bin/{python}", *PROGRAMS, *extensions]
    files = needed.files(root, programs, options.architecture)
    kernel, modules = _kernel_modules(root, options)
    parts = {
        "programs": [_program(name, path) for name, path in files.items()],
        "python": [
            cpio.file(str(path.relative_to(scratch)), path.read_bytes())
            for path in scratch.rglob("*.pyc")
        ],
        "kernel modules": kernel,
    }
    init = _INIT.format(python=python, home=initrdpython.HOME, module=PROGRAM)
    entries = [cpio.file("init", init.encode(), 0o755), *_skeleton()]
    entries += [entry for part in parts.values() for entry in part]
    size = _write(out, [*entries, *_parents(entries)])
    sizes = {name: sum(len(entry.content) for entry in part) for name, part in parts.items()}
    return InitrdReport(size, sizes, modules)


def _python_of(root: Path) -> str:
    try:
        return (root / "usr/bin/python3").readlink().name
    except OSError as error:
        raise InvalidInput("/usr/bin/python3 is not in the tree") from error


def _compile(tools: Runner, call: Sequence[str]) -> list[str]:
    """Compile the modules the init program loads; returns extension modules.

    Args:
        tools: runs Python.
        call: its name, and the arguments of ``initrdpython``.
    """
    script = Path(initrdpython.__file__).read_bytes()
    python, *arguments = call
    argv = [python, "-s", "-S", "-P", "-", *arguments]
    printed = tools.run(Command(argv, stdin=script, env=_ENVIRONMENT))
    return [str(name) for name in json.loads(printed)]


def _kernel_modules(root: Path, options: InitrdOptions) -> tuple[list[cpio.Entry], tuple[str, ...]]:
    directory = root / "usr/lib/modules" / options.kernel_release
    index = parse_index(_listing(directory, "modules.dep"))
    builtin = {module_name(line) for line in _listing(directory, "modules.builtin").split()}
    for name in (*REQUIRED, *options.extra_modules):
        if name not in index.files and name not in builtin:
            raise InvalidInput(f"kernel {options.kernel_release} has no module {name}")
    wanted = chosen_modules(index, (*MODULES, *REQUIRED, *options.extra_modules))
    names = {module_name(file) for file in wanted}
    entries = []
    prefix = f"usr/lib/modules/{options.kernel_release}"
    for file in wanted:
        if not file.endswith(".ko"):
            raise InvalidInput(f"kernel module {file} is compressed")
        entries.append(cpio.file(f"{prefix}/{file}", (directory / file).read_bytes()))
    for name in ("modules.dep", "modules.alias"):
        kept = "".join(kept_lines(_listing(directory, name), names))
        entries.append(cpio.file(f"{prefix}/{name}", kept.encode()))
    return entries, tuple(sorted(names))


def chosen_modules(index: ModuleIndex, names: Iterable[str]) -> list[str]:
    """Files of the modules and of all they need; unknown ones are left out."""
    return sorted({file for name in names for file in index.load_order(name)})


def kept_lines(listing: str, names: set[str]) -> Sequence[str]:
    """The lines of modules.dep or modules.alias that are about ``names``."""
    kept = []
    for line in listing.splitlines(keepends=True):
        words = line.split()
        about = words[-1] if line.startswith("alias ") else line.partition(":")[0]
        if words and not line.startswith("#") and module_name(about) in names:
            kept.append(line)
    return kept


def _listing(directory: Path, name: str) -> str:
    try:
        return (directory / name).read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{directory.name} has no {name}; depmod makes it") from error


def _program(name: str, path: Path) -> cpio.Entry:
    return cpio.file(name, path.read_bytes(), 0o755)


def _skeleton() -> list[cpio.Entry]:
    console = cpio.Entry("dev/console", 0o020600, device=(5, 1))
    # Python asks for randomness before it can mount /dev; where the processor
    # has no source of it, the kernel's has none to give so early otherwise.
    random = cpio.Entry("dev/urandom", 0o020666, device=(1, 9))
    links = [cpio.symlink(name, target) for name, target in _LINKS.items()]
    return [*(cpio.directory(name) for name in _DIRECTORIES), *links, console, random]


def _parents(entries: Iterable[cpio.Entry]) -> list[cpio.Entry]:
    """Directories that files lie in and that are not there yet."""
    needed: set[str] = set()
    for entry in entries:
        while "/" in (name := entry.name):
            entry = entry._replace(name=name.rpartition("/")[0])  # noqa: PLW2901 - walks up
            needed.add(entry.name)
    return [cpio.directory(name) for name in sorted(needed - set(_DIRECTORIES))]


def _write(out: Path, entries: Iterable[cpio.Entry]) -> int:
    with out.open("wb") as file:
        for piece in cpio.encode(entries):
            file.write(piece)
        return file.tell()
