import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmodel import uki
from osmodel.faults import UntrustedData

ROOT_HASH = "ab" * 32
RELEASE = 'ID=twinkeel\nIMAGE_ID=minimal\nIMAGE_VERSION="1.0.1"\n# note\nnonsense\n'
COMMAND_LINE = f"quiet roothash={ROOT_HASH} ro\n"
SECTIONS = {
    ".text": b"stub",
    ".osrel": RELEASE.encode(),
    ".cmdline": COMMAND_LINE.encode(),
    ".linux": b"kernel" * 200,
    ".initrd": b"initrd" * 300,
}


def image(sections: dict[str, bytes] = SECTIONS, *, names: list[str] | None = None) -> bytes:
    start, optional = 0x80, 112
    offset = 0x400
    table, body = b"", b""
    for name, data in zip(names or list(sections), sections.values(), strict=True):
        padded = data.ljust(-(-len(data) // 512) * 512, b"\0")
        table += struct.pack("<8sIIII16x", name.encode(), len(data), 0, len(padded), offset)
        body += padded
        offset += len(padded)
    head = bytearray(0x400)
    head[:2] = b"MZ"
    struct.pack_into("<I", head, 0x3C, start)
    struct.pack_into(
        "<4sHHIIIHH", head, start, b"PE\0\0", 0x8664, len(sections), 0, 0, 0, optional, 0
    )
    head[start + 24 + optional : start + 24 + optional + len(table)] = table
    return bytes(head) + body


def identify(data: bytes) -> uki.UkiIdentity:
    return uki.identify(lambda offset, length: data[offset : offset + length], len(data))


def without(name: str) -> dict[str, bytes]:
    return {key: value for key, value in SECTIONS.items() if key != name}


def test_an_image_tells_who_it_is() -> None:
    assert identify(image()) == uki.UkiIdentity("1.0.1", ROOT_HASH, "minimal")


@pytest.mark.parametrize("kept", [0, 1, 2, 63, 0x90, 0x180, 0x3FF, 0x400, len(image()) - 1])
def test_a_truncated_image_is_refused(kept: int) -> None:
    with pytest.raises(UntrustedData):
        identify(image()[:kept])


@given(st.integers(0, len(image()) - 1))
def test_no_truncated_image_is_ever_accepted(kept: int) -> None:
    with pytest.raises(UntrustedData):
        identify(image()[:kept])


@given(st.binary(max_size=3000))
def test_random_bytes_are_never_an_image(data: bytes) -> None:
    with pytest.raises(UntrustedData):
        identify(b"MZ" + data)


@given(st.integers(0, 0x3FF), st.integers(1, 255))
def test_damaged_headers_are_refused_or_harmless(offset: int, flip: int) -> None:
    data = bytearray(image())
    data[offset] ^= flip
    with contextlib.suppress(UntrustedData):
        assert identify(bytes(data)).root_hash == ROOT_HASH


@pytest.mark.parametrize("name", [".osrel", ".cmdline", ".linux", ".initrd"])
def test_an_image_without_a_needed_section_is_refused(name: str) -> None:
    with pytest.raises(UntrustedData, match=rf"no section \{name}"):
        identify(image(without(name)))


def test_a_section_twice_is_refused() -> None:
    names = [".text", ".osrel", ".cmdline", ".cmdline", ".initrd"]
    with pytest.raises(UntrustedData, match=r"section \.cmdline twice"):
        identify(image(names=names))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (".osrel", b"IMAGE_ID=minimal\n", "IMAGE_VERSION"),
        (".osrel", b"IMAGE_ID=\nIMAGE_VERSION=1.0\n", "IMAGE_ID"),
        (".osrel", b"\xff\xfe", "not text"),
        (".osrel", b"#" * 70000, "70000 bytes"),
        (".cmdline", b"quiet", "names 0 root hashes"),
        (".cmdline", b"roothash=12", "64 hex digits"),
        (".cmdline", b"roothash=%s roothash=%s" % (b"a" * 64, b"b" * 64), "names 2 root hashes"),
    ],
)
def test_a_section_without_identity_is_refused(name: str, content: bytes, message: str) -> None:
    with pytest.raises(UntrustedData, match=message):
        identify(image({**SECTIONS, name: content}))


def test_naming_the_same_root_twice_is_no_contradiction() -> None:
    assert uki.root_hash_of(f"roothash={ROOT_HASH} roothash={ROOT_HASH}") == ROOT_HASH


@pytest.mark.parametrize("value", ["1.0", '"1.0"', "'1.0'"])
def test_quotes_of_os_release_are_taken_off(value: str) -> None:
    assert uki.parse_os_release(f"A_B={value}") == {"A_B": "1.0"}
