"""Small files on a full disk: every cut and every refusal leaves the old text or the new one."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress

import pytest

from hostio.files.preallocated import CopiedText
from osmodel import doublecopy
from osmodel.faults import HostFailure
from tests.fakes.faultyregion import FaultyRegion
from tests.fakes.ramdisk import Power, PowerCut, RamDisk
from tests.fakes.ramfile import RamFile

SIZE = doublecopy.size_for(100)
OLDER, OLD, NEW, NEXT = (f'{{"v": {number}}}' for number in range(4))
Medium = tuple[bytes, str | None]  # of the copies, and of the plain file


def opened(medium: Medium, power: Power | None = None) -> tuple[CopiedText, RamDisk, RamFile]:
    content, plain = medium
    disk = RamDisk(SIZE, power=power, content=content)
    file = RamFile(plain, power=power)
    return over(disk, file), disk, file


def over(disk: RamDisk | FaultyRegion, file: RamFile) -> CopiedText:
    return CopiedText(lambda: nullcontext(disk), lambda: nullcontext(disk), file)


def found(medium: Medium) -> str | None:
    return opened(medium)[0].read()


def aftermaths(disk: RamDisk, file: RamFile) -> Iterator[Medium]:
    return itertools.product(dict.fromkeys(disk.aftermaths()), dict.fromkeys(file.aftermaths()))


def never_written() -> Medium:
    return bytes(SIZE), None


def allocated_beside_a_file_of_an_older_version() -> Medium:
    return bytes(SIZE), OLD


def written_twice() -> Medium:
    return after(OLDER, OLD)


def written_twice_the_second_time_on_a_full_disk() -> Medium:
    text, disk, file = opened((bytes(SIZE), None))
    text.write(OLDER)
    file.full = True
    text.write(OLD)
    return bytes(disk.durable), file.text


def written_by_an_older_version_since() -> Medium:
    return after(NEXT, OLDER)[0], OLD


def gone_back_by_an_older_version() -> Medium:
    """To the very text that was there before."""
    return after(OLD, OLDER)[0], OLD


def torn_by_an_older_version() -> Medium:
    return after(OLDER, OLD)[0], '{"v'


def removed() -> Medium:
    text, disk, file = opened(after(OLDER))
    text.remove()
    return bytes(disk.durable), file.text


def after(*texts: str) -> Medium:
    text, disk, file = opened((bytes(SIZE), None))
    for one in texts:
        text.write(one)
    return bytes(disk.durable), file.text


BEFORE: dict[Callable[[], Medium], str | None] = {
    never_written: None,
    allocated_beside_a_file_of_an_older_version: OLD,
    written_twice: OLD,
    written_twice_the_second_time_on_a_full_disk: OLD,
    written_by_an_older_version_since: OLD,
    gone_back_by_an_older_version: OLD,
    torn_by_an_older_version: OLD,
    removed: None,
}
CHANGES: dict[str | None, Callable[[CopiedText], None]] = {
    NEW: lambda text: text.write(NEW),
    OLDER: lambda text: text.write(OLDER),
    None: lambda text: text.remove(),
}
cases = pytest.mark.parametrize("before", BEFORE, ids=lambda case: case.__name__)
changes = pytest.mark.parametrize("wanted", CHANGES)


@cases
def test_what_counts_before_is_read(before: Callable[[], Medium]) -> None:
    assert found(before()) == BEFORE[before]


@cases
@changes
@pytest.mark.parametrize("full", [False, True])
def test_a_change_is_read_and_survives_the_next_cut(
    before: Callable[[], Medium], wanted: str | None, *, full: bool
) -> None:
    text, disk, file = opened(before())
    file.full = full
    CHANGES[wanted](text)
    assert text.read() == wanted
    assert {found(medium) for medium in aftermaths(disk, file)} == {wanted}


@cases
@changes
@pytest.mark.parametrize("full", [False, True])
def test_a_cut_leaves_the_old_text_or_the_new_one(
    before: Callable[[], Medium], wanted: str | None, *, full: bool
) -> None:
    seen = set()
    for cut_at in itertools.count():
        text, disk, file = opened(before(), Power(cut_at))
        file.full = full
        try:
            CHANGES[wanted](text)
        except PowerCut:
            pass
        else:
            break
        for medium in aftermaths(disk, file):
            seen.add(found(medium))
            again, _, _ = opened(medium)
            again.write(NEXT)
            assert again.read() == NEXT
    assert cut_at >= 2  # at the very least one write and one flush
    assert seen <= {BEFORE[before], wanted}


@cases
@changes
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("torn", [False, True])
def test_a_refused_operation_leaves_the_old_text_or_the_new_one(
    before: Callable[[], Medium], wanted: str | None, *, full: bool, torn: bool
) -> None:
    refused = 0
    for fails_at in itertools.count():
        _, disk, file = opened(before())
        faulty = FaultyRegion(disk, fails_at, torn=torn)
        file.full = full
        text = over(faulty, file)
        expected = {BEFORE[before], wanted}
        try:
            CHANGES[wanted](text)
            expected = {wanted}
        except HostFailure:
            refused += 1
        assert over(disk, file).read() in expected
        assert {found(medium) for medium in aftermaths(disk, file)} <= expected
        # The refusal passes, the disk stays full: the next change must work.
        over(disk, file).write(NEXT)
        assert {found(medium) for medium in aftermaths(disk, file)} == {NEXT}
        if faulty.operations <= fails_at:
            break
    assert refused or not full or wanted is None


def test_a_dead_place_does_not_stop_changes_while_there_is_room() -> None:
    """The copies fail for good: the plain file takes over."""
    _, disk, file = opened(written_twice())
    for number in range(4):
        faulty = FaultyRegion(disk, 2, torn=True)
        over(faulty, file).write(f'{{"v": "{number}"}}')
        assert {found(medium) for medium in aftermaths(disk, file)} == {f'{{"v": "{number}"}}'}


def test_a_text_that_is_too_long_needs_the_plain_file() -> None:
    text, disk, file = opened(written_twice())
    long = '{"v": "' + "x" * SIZE + '"}'
    text.write(long)
    assert text.read() == long
    file.full = True
    with pytest.raises(HostFailure):
        text.write(long + " ")
    assert {found(medium) for medium in aftermaths(disk, file)} == {long}
    text.write(NEW)
    assert text.read() == NEW


def test_random_bytes_are_no_copy() -> None:
    content, plain = written_twice()
    for offset in range(0, SIZE, 13):
        flipped = bytearray(content)
        flipped[offset] ^= 1
        assert found((bytes(flipped), plain)) == OLD
        with suppress(HostFailure):
            text, _, _ = opened((bytes(flipped), None))
            assert text.read() in (OLD, OLDER)
