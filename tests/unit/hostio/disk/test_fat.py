"""The order of flushes on a FAT, which has no journal."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from hostio.disk.esp import MountedEsp
from hostio.disk.firmwarefiles import MountedFirmwareFiles


def rename(fat: Path) -> None:
    (fat / "EFI/Linux").mkdir(parents=True)
    (fat / "EFI/Linux/old.efi").write_bytes(b"old")
    MountedEsp(fat).rename("old.efi", "new.efi")


def place(fat: Path) -> None:
    staged = MountedEsp(fat).stage()
    staged.close()
    staged.place("new.efi")


def overwrite(fat: Path) -> None:
    MountedEsp(fat).overwrite("slots0.env", b"x" * 512)


def replace_firmware(fat: Path) -> None:
    (fat / "boot.scr").write_bytes(b"old")
    files = MountedFirmwareFiles(fat)
    files.stage("boot.scr", b"new")
    files.place(["boot.scr"])


# The file comes first: Linux's FAT gives a renamed file an entry without content
# until the file itself is written back. The QEMU scenarios show that.
FLUSHES: dict[Callable[[Path], None], list[str]] = {
    rename: ["new.efi", "Linux"],
    place: ["twinkeel-tmp", "new.efi", "Linux", "twinkeel-tmp"],
    overwrite: ["fat"],
    replace_firmware: ["twinkeel-tmp", "boot.scr", "fat", "twinkeel-tmp"],
}


@pytest.mark.parametrize("change", FLUSHES)
def test_names_are_flushed_after_their_files(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    flushed: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name in {"sync_file", "sync_directory"}:
            flushed.append(frame.f_locals["path"].name)

    (tmp_path / "fat").mkdir()
    sys.setprofile(note)
    try:
        change(tmp_path / "fat")
    finally:
        sys.setprofile(None)
    assert flushed == FLUSHES[change]
