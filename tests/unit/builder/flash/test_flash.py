"""Writing an image onto a card: what is refused, what is written, what a cut leaves."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from builder.flash import cli, imagefile, preflight, writing
from builder.flash.imagefile import ImageFile, Part
from builder.flash.world import FlashWorld
from builder.image import bmap, diskformats
from builder.image.diskmap import Range
from hostio.disk.blockinfo import Medium
from osmodel.faults import HostFailure, InvalidInput, UntrustedData
from tests.fakes.clock import StoppedClock
from tests.fakes.heldmedia import HeldMedia
from tests.fakes.ramdisk import Power, PowerCut, RamDisk
from tests.fakes.report import KeptReport

MIB = 1 << 20
NODE = Path("/dev/card")
CARD = Medium(
    node=NODE,
    is_partition=False,
    size=16 * MIB,
    sector_size=512,
    read_only=False,
    model="Generic SD",
    partitions=2,
    users=(),
)
USED = b"\xee"  # what the card held before


KIB = 1 << 10
WRITTEN = MIB + 128 * KIB  # end of the first part
LEFT_OUT = 64 * KIB
SIZE = WRITTEN + LEFT_OUT + 64 * KIB
ROOM = 3 * MIB  # of the card


def content() -> bytes:
    """A head, a part, a hole that matters, one that does not, and a tail."""
    part = bytes(range(256)) * 256
    return b"head" * (MIB // 4) + part + bytes(64 * KIB + LEFT_OUT) + b"tail" * (16 * KIB)


RANGES = [Range(0, WRITTEN), Range(WRITTEN + LEFT_OUT, 64 * KIB)]


def release(tmp_path: Path, *, mapped: bool = True) -> Path:
    raw = tmp_path / "raw"
    raw.write_bytes(content())
    directory = tmp_path / "release"
    directory.mkdir()
    diskformats.compress(raw, directory / "x.img.zst")
    if mapped:
        (directory / "x.img.bmap").write_text(bmap.to_text(bmap.map_image(raw, RANGES)))
    return directory


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"is_partition": True}, "is a partition"),
        ({"users": ("card1 is mounted at /mnt",)}, "in use: card1 is mounted at /mnt"),
        ({"size": 0}, "no medium in it"),
        ({"read_only": True}, "is read-only"),
        ({"sector_size": 4096}, "sectors of 4096 bytes"),
        ({"size": 6 * MIB - 1}, "has 6291455 bytes, the image needs 6291456"),
    ],
)
def test_a_device_that_must_not_take_an_image_is_refused(
    change: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        preflight.check(replace(CARD, **change), 6 * MIB)  # type: ignore[arg-type]  # by name


def test_a_device_of_just_the_size_will_do() -> None:
    preflight.check(replace(CARD, size=6 * MIB), 6 * MIB)


def test_a_device_is_described_so_that_it_is_recognised() -> None:
    assert preflight.description(CARD) == "/dev/card: 'Generic SD' 0.0 GB, 2 partitions"


def flashed(image: ImageFile, card: RamDisk) -> bytes:
    head, digests = writing.write(image, card, lambda _done: None)
    writing.verify(card, head, digests, lambda _done: None)
    writing.finish(card, head)
    return bytes(card.durable)


def test_what_the_map_leaves_out_is_not_written(tmp_path: Path) -> None:
    card = RamDisk(ROOM, content=USED * ROOM)
    after = flashed(imagefile.find(release(tmp_path)), card)
    assert after[:WRITTEN] == content()[:WRITTEN]
    assert after[WRITTEN : WRITTEN + LEFT_OUT] == USED * LEFT_OUT
    assert after[WRITTEN + LEFT_OUT : SIZE] == content()[WRITTEN + LEFT_OUT :]


def test_without_a_map_everything_is_written(tmp_path: Path) -> None:
    card = RamDisk(ROOM, content=USED * ROOM)
    after = flashed(imagefile.find(release(tmp_path, mapped=False)), card)
    assert after[:SIZE] == content()


def test_a_plain_image_has_its_map_beside_it(tmp_path: Path) -> None:
    (tmp_path / "x.img").write_bytes(content())
    (tmp_path / "x.img.bmap").write_text(bmap.to_text(bmap.map_image(tmp_path / "x.img", RANGES)))
    image = imagefile.find(tmp_path / "x.img")
    assert image.length == SIZE - LEFT_OUT
    assert flashed(image, RamDisk(ROOM))[:SIZE] == content()


def test_the_table_of_an_earlier_image_at_the_end_is_gone(tmp_path: Path) -> None:
    after = flashed(imagefile.find(release(tmp_path)), RamDisk(ROOM, content=USED * ROOM))
    assert after[ROOM - MIB :] == bytes(MIB)[: ROOM - SIZE]


@pytest.mark.parametrize("cut_at", range(12))
def test_a_cut_leaves_a_whole_card_or_one_without_a_table(tmp_path: Path, cut_at: int) -> None:
    image = imagefile.find(release(tmp_path))
    card = RamDisk(ROOM, power=Power(cut_at), content=USED * ROOM)
    try:
        flashed(image, card)
    except PowerCut:
        pass
    else:
        return
    for after in card.aftermaths(samples=4):
        torn_head = after[:MIB] != content()[:MIB]
        tail = WRITTEN + LEFT_OUT
        rest = after[MIB:WRITTEN] + after[tail:SIZE]
        assert torn_head or rest == content()[MIB:WRITTEN] + content()[tail:]


def test_a_damaged_image_is_noticed_before_it_can_boot(tmp_path: Path) -> None:
    directory = release(tmp_path)
    (tmp_path / "raw").write_bytes(content().replace(b"tail", b"tale"))
    diskformats.compress(tmp_path / "raw", directory / "x.img.zst")
    card = RamDisk(ROOM)
    with pytest.raises(UntrustedData, match="damaged between 1245184 and 1310720"):
        flashed(imagefile.find(directory), card)
    assert bytes(card.durable[:MIB]) == bytes(MIB)


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_an_image_that_was_cut_off_is_noticed(
    tmp_path: Path, share: float, *, mapped: bool
) -> None:
    directory = release(tmp_path, mapped=mapped)
    packed = (directory / "x.img.zst").read_bytes()
    (directory / "x.img.zst").write_bytes(packed[: int(share * len(packed))])
    with pytest.raises(UntrustedData):
        flashed(imagefile.find(directory), RamDisk(ROOM))


@pytest.mark.parametrize("lost", range(2, 7))
def test_a_card_that_loses_a_write_is_noticed(tmp_path: Path, lost: int) -> None:
    image = imagefile.find(release(tmp_path))
    card = RamDisk(ROOM, content=USED * ROOM, loses=lost)
    writes = RamDisk(ROOM)
    flashed(image, writes)
    if lost >= writes.writes:
        return
    with pytest.raises(HostFailure, match="reads back differently"):
        flashed(image, card)


def test_a_compressed_image_that_hides_its_size_needs_a_map(tmp_path: Path) -> None:
    stream = zstandard.ZstdCompressor().compressobj()
    (tmp_path / "x.img.zst").write_bytes(stream.compress(content()) + stream.flush())
    with pytest.raises(InvalidInput, match="does not say its size") as caught:
        imagefile.find(tmp_path / "x.img.zst")
    assert "x.img.bmap" in caught.value.hint


@pytest.mark.parametrize("name", ["nothing", "nothing.img.zst", "."])
def test_what_is_no_image_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match=r"no such image|expected one disk image"):
        imagefile.find(tmp_path / name)


def test_what_is_not_compressed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.img.zst").write_bytes(b"plain" * 100)
    with pytest.raises(InvalidInput, match="not compressed by zstd"):
        imagefile.find(tmp_path / "x.img.zst")


def test_a_part_without_checksum_is_still_read_back(tmp_path: Path) -> None:
    (tmp_path / "x.img").write_bytes(content())
    image = ImageFile(tmp_path / "x.img", SIZE, (Part(Range(0, SIZE), ""),))
    with pytest.raises(HostFailure, match="reads back differently"):
        flashed(image, RamDisk(ROOM, loses=3))


class Table:
    """One card and its user."""

    def __init__(self, *, answer: str | None = None, card: Medium = CARD) -> None:
        self.card = RamDisk(ROOM)
        self.questions: list[str] = []
        self.media = HeldMedia(card)
        self.report = KeptReport()
        self._answer = answer

    def ask(self, question: str) -> str | None:
        self.questions.append(question)
        return self._answer

    @contextmanager
    def opened(self, _node: Path) -> Iterator[RamDisk]:
        yield self.card

    def run(self, *arguments: str) -> int:
        world = FlashWorld(self.media, self.opened, self.ask, StoppedClock(), self.report)
        return cli.run(arguments, world)


def test_nobody_is_asked_who_said_yes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table()
    assert table.run(str(release(tmp_path)), "/dev/card", "--yes") == 0
    assert bytes(table.card.durable[:MIB]) == content()[:MIB]
    assert table.questions == []
    assert table.media.scanned == [NODE]
    assert [step for step, _ in table.report.steps] == ["write", "read back", "finish"]
    assert table.report.notes[-1] == "1 of 1 MiB, 100 %"
    assert capsys.readouterr().out == "/dev/card: written and read back\n"


def test_the_question_names_the_device_and_the_image(tmp_path: Path) -> None:
    table = Table(answer="yes\n")
    assert table.run(str(release(tmp_path)), "/dev/card") == 0
    assert "'Generic SD'" in table.questions[0]
    assert "x.img.zst" in table.questions[0]


@pytest.mark.parametrize("answer", ["", "n\n", "y\n", "no\n"])
def test_anything_but_yes_writes_nothing(tmp_path: Path, answer: str) -> None:
    table = Table(answer=answer)
    assert table.run(str(release(tmp_path)), "/dev/card") == 2
    assert table.card.writes == 0


def test_without_a_terminal_yes_must_have_been_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table()
    assert table.run(str(release(tmp_path)), "/dev/card") == 2
    assert table.card.writes == 0
    assert "--yes" in capsys.readouterr().err


def test_a_refused_device_is_never_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table(card=replace(CARD, users=("card1 is mounted at /",)))
    assert table.run(str(release(tmp_path)), "/dev/card", "--yes") == 2
    assert table.card.writes == 0
    assert "mounted at /" in capsys.readouterr().err


def test_a_card_changed_for_a_smaller_one_is_noticed(tmp_path: Path) -> None:
    table = Table()
    table.card = RamDisk(MIB)
    assert table.run(str(release(tmp_path)), "/dev/card", "--yes") == 2
    assert table.card.writes == 0
