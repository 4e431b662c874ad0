import io
from dataclasses import replace

import pytest

from osmodel.faults import HostFailure, TransientFailure, UntrustedData
from osmodel.payload.layout import BLOCK
from osmodel.payload.manifest import PartitionInfo
from tests.fakes.payloads import (
    EROFS_MAGIC,
    manifest_of,
    sign,
    signed_payload,
    small_release,
    trust,
)
from tests.fakes.ramdisk import RamDisk
from update_engine.install.payload import Applied, Targets, open_payload, write_payload
from update_engine.install.payloadreader import Source

NEW = small_release("1.0.1", seed=1)
OLD = small_release("1.0.0", seed=2)
GOOD = signed_payload(NEW)


class Slot:
    """A passive slot with an old release in it."""

    def __init__(
        self,
        *,
        root_size: int = len(NEW.root),
        verity_size: int = NEW.verity_size,
        root_loses: int | None = None,
        verity_loses: int | None = None,
    ) -> None:
        self.root = RamDisk(root_size, content=OLD.root[:root_size], loses=root_loses)
        self.verity = RamDisk(verity_size, content=OLD.verity[:verity_size], loses=verity_loses)
        self.uki = io.BytesIO()
        self.progress: list[tuple[int, int]] = []

    def apply(self, source: Source) -> Applied:
        return write_payload(
            open_payload(source, trust()),
            Targets(self.root, self.verity, self.uki),
            lambda done, total: self.progress.append((done, total)),
        )

    @property
    def looks_whole(self) -> bool:
        return bytes(self.root.durable[1024:1028]) == EROFS_MAGIC

    @property
    def holds_the_release(self) -> bool:
        root, verity = bytes(self.root.durable), bytes(self.verity.durable)
        return root.startswith(NEW.root) and verity.startswith(NEW.verity)


class Drip:
    """Gives at most seven bytes at a time, as a bad line does; may break."""

    def __init__(self, data: bytes, *, breaks_at: int | None = None) -> None:
        self._data = io.BytesIO(data)
        self._breaks_at = breaks_at

    def read(self, size: int, /) -> bytes:
        if self._breaks_at is not None and self._data.tell() >= self._breaks_at:
            raise TransientFailure("line is down")
        return self._data.read(min(size, 7))


def test_the_slot_holds_the_release_and_says_which() -> None:
    slot = Slot()
    applied = slot.apply(GOOD.stream)
    assert slot.holds_the_release
    assert slot.uki.getvalue() == NEW.uki
    assert applied.root_hash == NEW.release.root_hash
    assert applied.uki_size == len(NEW.uki)


def test_a_larger_slot_keeps_what_lies_behind_the_image() -> None:
    slot = Slot(root_size=len(NEW.root) + 5 * BLOCK)
    slot.root.write(len(NEW.root), b"behind")
    slot.apply(GOOD.stream)
    assert slot.holds_the_release
    assert slot.root.read(len(NEW.root), 6) == b"behind"


def test_opening_writes_nothing() -> None:
    slot = Slot()
    assert open_payload(GOOD.stream, trust()).release == NEW.release
    assert (slot.root.writes, slot.root.flushes) == (0, 0)


def test_short_reads_are_put_together() -> None:
    slot = Slot()
    slot.apply(Drip(bytes(GOOD)))
    assert slot.holds_the_release


def test_progress_grows_to_the_total() -> None:
    slot = Slot()
    slot.apply(GOOD.stream)
    done = [one for one, _ in slot.progress]
    assert done == sorted(done)
    assert slot.progress[-1] == (2 * len(NEW.root) + len(NEW.uki),) * 2


@pytest.mark.parametrize(
    ("slot", "name"),
    [
        (Slot(root_size=len(NEW.root) - BLOCK), "root"),
        (Slot(verity_size=NEW.verity_size - BLOCK), "verity"),
    ],
)
def test_a_slot_that_is_too_small_is_not_touched(slot: Slot, name: str) -> None:
    with pytest.raises(HostFailure, match=f"{name} needs"):
        slot.apply(GOOD.stream)
    assert (slot.root.writes, slot.verity.writes) == (0, 0)


def test_a_broken_line_is_transient_and_leaves_the_slot_invalid() -> None:
    slot = Slot()
    with pytest.raises(TransientFailure):
        slot.apply(Drip(bytes(GOOD), breaks_at=len(GOOD.front) + len(GOOD.data) // 2))
    assert not slot.looks_whole


def test_a_uki_of_another_digest_is_refused() -> None:
    manifest, data = manifest_of(NEW)
    root, uki = manifest.partitions
    lied = replace(uki, new_partition_info=PartitionInfo(len(NEW.uki), bytes(32)))
    slot = Slot()
    with pytest.raises(UntrustedData, match="uki has sha256"):
        slot.apply(sign(replace(manifest, partitions=(root, lied)), data).stream)
    assert not slot.looks_whole


def test_content_behind_the_end_of_the_uki_is_refused() -> None:
    manifest, data = manifest_of(NEW)
    root, uki = manifest.partitions
    shorter = replace(uki, new_partition_info=PartitionInfo(len(NEW.uki) - 50, bytes(32)))
    with pytest.raises(UntrustedData, match="goes on behind its size"):
        Slot().apply(sign(replace(manifest, partitions=(root, shorter)), data).stream)


def test_a_full_esp_leaves_the_slot_invalid() -> None:
    class FullSink:
        def write(self, _: bytes, /) -> None:
            raise HostFailure("no space left on device")

    slot = Slot()
    targets = Targets(slot.root, slot.verity, FullSink())
    with pytest.raises(HostFailure, match="no space left"):
        write_payload(open_payload(GOOD.stream, trust()), targets, lambda _done, _total: None)
    assert not slot.looks_whole


def writes_of_a_whole_update() -> tuple[int, int]:
    slot = Slot()
    slot.apply(GOOD.stream)
    return slot.root.writes, slot.verity.writes


@pytest.mark.parametrize("lost", range(writes_of_a_whole_update()[0]))
def test_a_write_that_the_root_lost_is_noticed(lost: int) -> None:
    assert_noticed(Slot(root_loses=lost))


@pytest.mark.parametrize("lost", range(writes_of_a_whole_update()[1]))
def test_a_write_that_the_hash_device_lost_is_noticed(lost: int) -> None:
    assert_noticed(Slot(verity_loses=lost))


def assert_noticed(slot: Slot) -> None:
    try:
        slot.apply(GOOD.stream)
    except (UntrustedData, HostFailure):
        assert not slot.looks_whole
    else:
        assert slot.holds_the_release


@pytest.mark.parametrize("dying", ["root", "verity"])
def test_a_device_that_dies_is_a_failure_of_the_host(dying: str) -> None:
    slot = Slot()
    setattr(slot, dying, DyingDisk(getattr(slot, dying)))
    with pytest.raises(HostFailure, match="Input/output error"):
        slot.apply(GOOD.stream)


class DyingDisk(RamDisk):
    """Takes three operations and then none."""

    def __init__(self, like: RamDisk) -> None:
        super().__init__(like.size, content=bytes(like.durable))
        self._left = 3

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        self._left -= 1
        if self._left < 0:
            raise HostFailure("write: Input/output error")
        super().write(offset, data)

    def flush(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise HostFailure("flush: Input/output error")
        super().flush()
