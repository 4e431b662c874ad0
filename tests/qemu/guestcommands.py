"""What the scenarios run in a guest, as root: mostly damage, and a look at the boot entries.

Usage: guestcommands.py entries | last-try VERSION | truncate VERSION | wrong-root VERSION
       | corrupt PARTITION-LABEL | copies | tear-copies COUNT

It reads and writes what the loaders keep on its own, without the engine's code:
the names of systemd-boot's entries, or the two copies of the state that U-Boot's
script reads.
"""

import os
import re
import struct
import subprocess  # noqa: TID251 - runs in the guest, without hostio
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BLOCK = 4096
ESP = Path("/run/scenario-esp")
ENTRIES = ESP / "EFI" / "Linux"
PROGRAM = Path("/usr/lib/systemd/systemd")  # read at every start, before anything else
COPIES = (ESP / "slots0.env", ESP / "slots1.env")
COPY_SIZE = 512
NAME = re.compile(r"twinkeel_(?P<version>[0-9.]+?)(\+(?P<left>\d)(-(?P<done>\d+))?)?\.efi")
VERSION = re.compile(rb'IMAGE_VERSION="?([0-9.]+)')


@dataclass
class Entry:
    """A kernel image that a loader may start; ``left`` is empty when it is good."""

    version: str
    left: str
    path: Path


@contextmanager
def mounted_esp() -> Iterator[None]:
    ESP.mkdir(exist_ok=True)
    subprocess.run(["mount", "/dev/disk/by-partlabel/esp", ESP], check=True)
    try:
        yield
    finally:
        os.sync()
        subprocess.run(["umount", ESP], check=True)


def known() -> list[Entry]:
    """What the loader knows, by version."""
    if not COPIES[0].exists():
        found = [(NAME.fullmatch(path.name), path) for path in ENTRIES.iterdir()]
        named = [(match, path) for match, path in found if match is not None]
        assert len(named) == len(found), found
        entries = [Entry(match["version"], match["left"] or "", path) for match, path in named]
        return sorted(entries, key=lambda entry: entry.version)
    fields = copy_fields(newest_copy().read_bytes())
    entries = []
    for slot in ("a", "b"):
        path = ENTRIES / f"twinkeel_{slot}.efi"
        if path.exists() and fields[slot] != "none":
            left = "" if fields[slot] == "good" else fields[slot]
            entries.append(Entry(version_of(path), left, path))
    return sorted(entries, key=lambda entry: entry.version)


def version_of(path: Path) -> str:
    """The version that a kernel image says it belongs to."""
    found = VERSION.search(path.read_bytes())
    return found[1].decode() if found else "unreadable"


def copy_fields(copy: bytes) -> dict[str, str]:
    """What a copy of the state says; empty for a damaged one."""
    if len(copy) != COPY_SIZE or struct.pack("<I", zlib.crc32(copy[4:])) != copy[:4]:
        return {}
    texts = copy[4:].partition(b"\0\0")[0].decode().split("\0")
    return dict(text.split("=", 1) for text in texts)


def newest_copy() -> Path:
    whole = [path for path in COPIES if copy_fields(path.read_bytes())]
    # A short history: the numbers have not come round.
    return max(whole, key=lambda path: int(copy_fields(path.read_bytes())["seq"], 16))


def entry(version: str) -> Entry:
    (found,) = (one for one in known() if one.version == version)
    return found


def entries() -> None:
    with mounted_esp():
        found = known()
    lines = [f"{one.version} {f'left {one.left}' if one.left else 'good'}\n" for one in found]
    sys.stdout.write("".join(lines))


def last_try(version: str) -> None:
    with mounted_esp():
        found = entry(version)
        assert found.left == "3", found
        if not COPIES[0].exists():
            found.path.rename(found.path.with_name(f"twinkeel_{version}+1-0.efi"))
            return
        slot = found.path.stem[-1]
        for path in COPIES:
            path.write_bytes(changed_copy(path.read_bytes(), slot, "1"))


def changed_copy(copy: bytes, name: str, value: str) -> bytes:
    fields = {**copy_fields(copy), name: value}
    text = "".join(f"{key}={value}\0" for key, value in sorted(fields.items())) + "\0"
    body = text.encode().ljust(COPY_SIZE - 4, b"\0")
    return struct.pack("<I", zlib.crc32(body)) + body


def copies() -> None:
    """Print what each copy says."""
    with mounted_esp():
        for path in COPIES:
            fields = copy_fields(path.read_bytes())
            text = " ".join(f"{name}={fields[name]}" for name in sorted(fields))
            sys.stdout.write(f"{path.name}: {text or 'damaged'}\n")


def tear_copies(count: str) -> None:
    """Damage the newest copy, or both."""
    with mounted_esp():
        for path in [newest_copy()] if count == "1" else COPIES:
            content = path.read_bytes()
            path.write_bytes(content[: COPY_SIZE // 8] + bytes(COPY_SIZE - COPY_SIZE // 8 - 1))


def truncate(version: str) -> None:
    with mounted_esp(), entry(version).path.open("r+b") as file:
        file.truncate(2 << 20)


def wrong_root(version: str) -> None:
    with mounted_esp():
        path = entry(version).path
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
    "copies": copies,
    "tear-copies": tear_copies,
}

if __name__ == "__main__":
    ACTIONS[sys.argv[1]](*sys.argv[2:])  # type: ignore[operator]  # arguments as in the usage
