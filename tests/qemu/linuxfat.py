"""The FAT as the real kernel writes it: an image's kernel and initrd, with an init of ours.

The init mounts the FAT, does one thing through the image's own boot control and
ends. What reached the disk, and when, is in the log.
"""

import stat
from pathlib import Path

from hostio.system.runner import Runner
from osmodel import cpio, uki
from tests.fakes.smalluki import small_uki
from tests.interop.fatdisk import FatDisk

DONE = "TWINKEEL-DONE"
OLD, PASSIVE, NEW = (
    small_uki(version, root_hash * 32, padding=200_000)
    for version, root_hash in (("1.0.0", "aa"), ("1.0.1", "bb"), ("1.0.2", "cc"))
)
_INIT = """\
#!/usr/bin/python3.13 -IS
import os, sys, time, traceback
sys.path.append("/usr/lib/twinkeel/python")
from pathlib import Path
from hostio.system.syscalls import KernelMounts, load_module, reboot

def act():
    mounts, fat = KernelMounts(), Path("/run/fat")
    mounts.mount("sysfs", Path("/sys"), "sysfs")
    mounts.mount("devtmpfs", Path("/dev"), "devtmpfs")
    from update_engine.initrd.modules import Modules
    home = Path("/usr/lib/modules") / os.uname().release
    modules = Modules(home, Path("/sys"), load_module)
    while not os.path.exists("/dev/vda1"):
        modules.load_drivers()
        time.sleep(0.1)
    modules.load(("vfat", "nls_cp437", "nls_ascii", "nls_iso8859_1"))
    fat.mkdir()
    mounts.mount("/dev/vda1", fat, "vfat", options="umask=0077,flush")
    from hostio.disk.esp import MountedEsp
    from update_engine.bootcontrol.adapters import control_of
    from update_engine.bootcontrol.port import Arming
    boot = control_of(MountedEsp(fat), "@PLATFORM@")
    passive = [one for one in boot.entries() if one.version == "1.0.1"]
@ACT@
    mounts.unmount(fat)
    print("@DONE@", flush=True)

try:
    act()
except BaseException:
    traceback.print_exc()
reboot()
"""
ACTS = {
    "bless": "    boot.bless(passive[0])",
    "switch": (
        "    running = [one for one in boot.entries() if one.version == '1.0.0']\n"
        "    boot.switch(running[0], passive[0], boots=1, on_trial=True)"
    ),
    "sweep": "    boot.sweep()",
    "install": """\
    boot.remove(passive[0])
    staged = boot.stage()
    staged.write(Path("/new.efi").read_bytes())
    staged.close()
    boot.arm(staged, Arming("1.0.2", "b"))""",
}


class LinuxFat(FatDisk):
    """A disk that an image's kernel writes.

    Args:
        tools: runs QEMU and mtools; sees ``place``.
        place: empty directory.
        image: kernel image of a release for x86_64.

    Attributes:
        empty: the disk without any file.
    """

    def __init__(self, tools: Runner, place: Path, image: Path) -> None:
        super().__init__(tools, place)
        self.empty = self.keep("empty.raw")
        content = image.read_bytes()
        parts = uki.sections(lambda at, length: content[at : at + length], len(content))
        for name in ("linux", "initrd"):
            part = parts[f".{name}"]
            (place / name).write_bytes(content[part.offset : part.offset + part.size])

    def act(self, act: str, platform: str) -> None:
        """Do one thing to the FAT; every write is in the log afterwards."""
        text = _INIT.replace("@ACT@", ACTS[act]).replace("@PLATFORM@", platform)
        script = text.replace("@DONE@", DONE).encode()
        ours = [
            cpio.Entry("init", stat.S_IFREG | 0o755, script),
            cpio.Entry("new.efi", stat.S_IFREG | 0o644, NEW),
        ]
        # The kernel unpacks both archives, the later one over the other.
        initrd = self.place / "both"
        initrd.write_bytes((self.place / "initrd").read_bytes() + b"".join(cpio.encode(ours)))
        said = self.run(
            *("qemu-system-x86_64", "-M", "q35", "-cpu", "Nehalem", "-m", "512"),
            *("-nographic", "-nic", "none", "-no-reboot", *self.drive()),
            *("-kernel", str(self.place / "linux"), "-initrd", str(initrd)),
            *("-append", "console=ttyS0 quiet panic=1 no_timer_check"),
        ).decode(errors="replace")
        assert DONE in said, said[-2000:]
