"""Breaks a machine from inside; sent to the guest and run there as root.

Usage: inside.py entries | last-try VERSION | truncate VERSION | wrong-root VERSION
       | corrupt PARTITION-LABEL
"""

import os
import re
import subprocess  # noqa: TID251 - runs in the guest, alone
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BLOCK = 4096
ESP = Path("/run/inside-esp")
ENTRIES = ESP / "EFI" / "Linux"
PROGRAM = Path("/usr/lib/systemd/systemd")  # read at every start, before anything else


@contextmanager
def mounted_esp() -> Iterator[None]:
    ESP.mkdir(exist_ok=True)
    subprocess.run(["mount", "/dev/disk/by-partlabel/esp", ESP], check=True)
    try:
        yield
    finally:
        os.sync()
        subprocess.run(["umount", ESP], check=True)


def entry(version: str) -> Path:
    (found,) = ENTRIES.glob(f"twinkeel_{version}*.efi")
    return found


def entries() -> None:
    with mounted_esp():
        names = sorted(path.name for path in ENTRIES.iterdir())
    sys.stdout.write("".join(f"{name}\n" for name in names))


def last_try(version: str) -> None:
    with mounted_esp():
        path = entry(version)
        assert path.name == f"twinkeel_{version}+3-0.efi", path.name
        path.rename(path.with_name(f"twinkeel_{version}+1-0.efi"))


def truncate(version: str) -> None:
    with mounted_esp(), entry(version).open("r+b") as file:
        file.truncate(2 << 20)


def wrong_root(version: str) -> None:
    with mounted_esp():
        path = entry(version)
        content = bytearray(path.read_bytes())
        found = re.search(rb"roothash=([0-9a-f]{64})", content)
        assert found is not None
        content[found.start(1) : found.end(1)] = b"5" * 64
        with path.open("r+b") as file:
            file.write(content)


def corrupt(label: str) -> None:
    """Change one block of the first program that is started from that partition."""
    with PROGRAM.open("rb") as file:
        wanted = file.read(BLOCK)
    device = os.open(f"/dev/disk/by-partlabel/{label}", os.O_RDWR)
    offset = place(device, wanted)
    assert os.pwrite(device, bytes(byte ^ 0xFF for byte in wanted), offset) == BLOCK
    os.fsync(device)
    os.close(device)
    sys.stdout.write(f"changed block {offset // BLOCK}\n")


def place(device: int, wanted: bytes) -> int:
    offset = 0
    while piece := os.pread(device, 2048 * BLOCK, offset):
        at = piece.find(wanted)
        while at >= 0:
            if at % BLOCK == 0:
                return offset + at
            at = piece.find(wanted, at + 1)
        offset += len(piece)
    raise AssertionError("the program is not in that partition")


ACTIONS = {
    "entries": entries,
    "last-try": last_try,
    "truncate": truncate,
    "wrong-root": wrong_root,
    "corrupt": corrupt,
}

if __name__ == "__main__":
    ACTIONS[sys.argv[1]](*sys.argv[2:])  # type: ignore[operator]  # arguments as in the usage
