"""Times applying a full payload against piping the same image through zstd.

Both sides fill a slot that holds something else, durably, from a warm file.
The pipe decompresses, hashes and writes. Ours does that and checks signatures,
computes the hash tree, reads the slot back and compares. Sides take turns.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench import places, tables
from bench.spending import measured
from bench.tables import Row, Table
from builder.payload.payloadwriter import write_full
from hostio.disk.blockdev import FileBlockDevice
from hostio.system.runner import Command, LocalRunner
from mirror.signing.payloadsigner import sign_payload
from osmodel.payload.layout import BLOCK
from osmodel.releasemanifest import FILE_NAME, FULL_PAYLOAD, ReleaseManifest
from osmodel.verity import hash_device_size
from update_engine.install.payload import Targets, open_payload, write_payload
from update_engine.repository import client  # noqa: F401 - see above
from update_engine.repository.keys import Trust

_COLUMNS = ("wall s", "CPU s", "MB/s of root", "peak RSS MiB")
_MB = 1_000_000
_SLACK = 8 << 20  # bytes of a slot behind the image
_PIPE = 'zstd -dc "$1" | tee >(sha256sum >/dev/null) 1<>"$2" && sync -d "$2"'
_PEER = "zstd -dc | tee >(sha256sum) > device"
_NOTES = (
    "min / median / max of the rounds; x is the ratio of medians to the pipe",
    "both end when the medium has everything; ours has also read it back and proved it",
    "ours also writes the kernel image, which is not counted in MB/s",
    "its memory is that of the whole worker, its time without starting Python",
)


@dataclass(frozen=True, slots=True)
class Workplace:
    """The files of one run.

    Attributes:
        folder: everything but the release.
        root: the image.
        uki: the kernel image.
    """

    folder: Path
    root: Path
    uki: Path

    @property
    def root_size(self) -> int:
        """Bytes."""
        return self.root.stat().st_size

    def file(self, name: str) -> Path:
        """One of the files."""
        return self.folder / name


def main(arguments: Sequence[str]) -> int:
    """Prepare once, then measure in turn."""
    parser = tables.options("apply", __doc__ or "")
    parser.add_argument("release", type=Path, help="what build-image has made")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--once", type=Path, help="apply below this directory; used by itself")
    options = parser.parse_args(arguments)
    if options.once is not None:
        return _apply_once(Workplace(options.once, *_images(options.release)))
    place = Workplace(places.workplace("apply"), *_images(options.release))
    _prepare(place, options.release)
    rounds: dict[str, list[tuple[float, ...]]] = {"pipe": [], "ours": [], "again": []}
    for _ in range(options.rounds):
        rounds["pipe"].append(_pipe(place))
        rounds["ours"].append(_ours(place, foreign=True))
        rounds["again"].append(_ours(place, foreign=False))
    pipe, ours, again = (tables.collect(values) for values in rounds.values())
    table = Table(
        f"apply: {place.root_size / _MB:.0f} MB root",
        _COLUMNS,
        (
            Row(_PEER, (*pipe, None)),
            Row("ours, slot held other content", ours, against=_PEER),
            Row("ours, slot held the same", again, against=_PEER),
        ),
        _NOTES,
    )
    tables.show(table, as_json=options.json)
    return 0


def _images(release: Path) -> tuple[Path, Path]:
    return release / "root.erofs", release / "uki.efi"


def _prepare(place: Workplace, release: Path) -> None:
    """Everything that is not measured, kept for the next run of the same image."""
    with place.root.open("rb") as file:
        name = file_digest(file, "sha256").hexdigest()
    compressed, plain = place.file("root.zst"), place.file("plain.payload")
    prepared = place.file("prepared")
    if not prepared.exists() or prepared.read_text() != name:
        level = Command(["zstd", "-q", "-f", "-T0", "-19", str(place.root), "-o", str(compressed)])
        LocalRunner().run(level)
        if (release / FULL_PAYLOAD).exists():
            shutil.copyfile(release / "full.payload", plain)
        else:
            manifest = ReleaseManifest.parse((release / FILE_NAME).read_bytes())
            write_full(place.root, place.uki, manifest.release, plain)
        prepared.write_text(name)
    key = generate_private_key(SECP256R1())
    sign_payload(plain, place.file("payload"), [key])
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    place.file("key.pem").write_bytes(pem)


def _pipe(place: Workplace) -> tuple[float, ...]:
    slot = place.file("slot")
    _fill(slot, place.root_size + _SLACK)
    command = Command(["bash", "-c", _PIPE, "pipe", str(place.file("root.zst")), str(slot)])
    spent = measured(lambda: LocalRunner().run(command))
    return spent.wall, spent.cpu, place.root_size / _MB / spent.wall


def _ours(place: Workplace, *, foreign: bool) -> tuple[float, ...]:
    if foreign:
        _fill(place.file("slot"), place.root_size + _SLACK)
        _fill(place.file("verity-slot"), hash_device_size(place.root_size // BLOCK))
    argv = [sys.executable, "-m", "bench.apply", str(place.root.parent)]
    command = Command([*argv, "--once", str(place.folder)], cwd=places.ROOT)
    wall, cpu, peak = json.loads(LocalRunner().run(command))
    return wall, cpu, place.root_size / _MB / wall, peak


def _fill(path: Path, size: int) -> None:
    """Make a slot of content that no image has, on the medium."""
    pattern = b"\x5aother" * 699_051
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(pattern[: size - file.tell()])
        file.flush()
        os.fsync(file.fileno())


def _apply_once(place: Workplace) -> int:
    """What the worker does between the offer and arming; prints time and memory."""
    trust = Trust(1, {"bench": place.file("key.pem").read_bytes()})
    spent = measured(lambda: _apply(place, trust))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([spent.wall, spent.cpu, peak]))
    return 0


def _apply(place: Workplace, trust: Trust) -> None:
    with (
        place.file("payload").open("rb", buffering=0) as stream,
        FileBlockDevice(place.file("slot")) as root,
        FileBlockDevice(place.file("verity-slot")) as verity,
        place.file("uki").open("wb") as uki,
    ):
        targets = Targets(root, verity, uki)
        write_payload(open_payload(stream, trust), targets, lambda _done, _total: None)
        os.fsync(uki.fileno())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
