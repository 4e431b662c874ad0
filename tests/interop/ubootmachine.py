"""A machine with a real U-Boot: a FAT with boot.scr and the slot state, in QEMU.

Its kernel images are programs of a kilobyte that say which slot runs.
"""

from pathlib import Path

from builder.boot.bootscript import FILE, make_boot_script
from hostio.system.runner import Runner
from osmodel import trailingchecksum
from osmodel.slotstate import COPIES, entry_name
from tests.fakes.smallefi import Ending, small_efi
from tests.interop.fatdisk import FatDisk

_FIRMWARE = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
WORDS = {"a": "SLOT-A-RUNS", "b": "SLOT-B-RUNS"}
_ENDINGS = {"a": Ending.POWER_OFF, "b": Ending.RESET}


def program(slot: str) -> bytes:
    """The kernel image of a slot."""
    content = small_efi(WORDS[slot], _ENDINGS[slot])
    return content + trailingchecksum.ending([content])


class UBootMachine(FatDisk):
    """One disk, started as often as wanted; each start ends with the first reset."""

    def __init__(self, tools: Runner, place: Path) -> None:
        super().__init__(tools, place)
        script = place / FILE
        make_boot_script(tools, script, 1_700_000_000)
        self.put(FILE, script.read_bytes())
        for slot in WORDS:
            self.put_image(slot)

    def put_image(self, slot: str, content: bytes | None = None) -> None:
        """The program of a slot, or something else under its name."""
        self.put(f"EFI/Linux/{entry_name(slot)}", program(slot) if content is None else content)

    def remove_image(self, slot: str) -> None:
        """Leave a slot without kernel image."""
        self.put(f"EFI/Linux/{entry_name(slot)}", None)

    def images(self) -> dict[str, bytes | None]:
        """What lies under the name of each slot."""
        return {slot: self.get(f"EFI/Linux/{entry_name(slot)}") for slot in WORDS}

    def copies(self) -> list[bytes | None]:
        """Both state files."""
        return [self.get(name) for name in COPIES]

    def start(self) -> str:
        """Run until the first reset; what the console said, from the script on."""
        said = self.run(
            *("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53", "-m", "512"),
            *("-bios", _FIRMWARE, "-nographic", "-nic", "none", "-no-reboot", *self.drive()),
        ).decode(errors="replace")
        _, _, ours = said.partition("with script")
        return ours.replace("\r", "")

    def starts(self, most: int = 8) -> str | None:
        """The slot that runs in the end, over as many resets as it takes."""
        for _ in range(most):
            said = self.start()
            for slot, word in WORDS.items():
                if word in said:
                    return slot
        return None
