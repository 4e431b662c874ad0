"""What a platform says about a machine, in one form."""

import pytest

from cloud_config.planning.metadata import Metadata, address, cleaned_keys
from osmodel.faults import UntrustedData

FULL = Metadata(
    source="ec2",
    instance_id="i-1",
    hostname="one",
    public_keys=("ssh-ed25519 AAAA one",),
    public_ipv4="203.0.113.1",
    private_ipv4="10.0.0.1",
)


def test_metadata_survives_being_written_down() -> None:
    assert Metadata.from_json(FULL.as_json()) == FULL


def test_an_unknown_field_of_a_later_version_is_skipped() -> None:
    assert Metadata.from_json('{"source": "x", "later": 1}') == Metadata(source="x")


@pytest.mark.parametrize("text", ["", "[]", "null", '{"public_keys": 3}'])
def test_something_else_is_no_metadata(text: str) -> None:
    with pytest.raises(UntrustedData):
        Metadata.from_json(text)


def test_only_known_addresses_are_named() -> None:
    assert FULL.addresses == {"public_ipv4": "203.0.113.1", "private_ipv4": "10.0.0.1"}


def test_what_one_source_leaves_open_another_completes() -> None:
    both = Metadata(source="nocloud", hostname="two").completed_by(FULL)
    assert (both.source, both.hostname) == ("nocloud", "two")
    assert (both.instance_id, both.public_ipv4) == ("i-1", "203.0.113.1")


@pytest.mark.parametrize(
    ("text", "version", "wanted"),
    [
        ("10.0.0.1", 4, "10.0.0.1"),
        (" 10.0.0.1/24 ", 4, "10.0.0.1"),
        ("fe80::1%eth0", 6, "fe80::1"),
        ("10.0.0.1", 6, ""),
        ("10.0.0.256", 4, ""),
        ("10.0.0.1; reboot", 4, ""),
        (None, 4, ""),
        (7, 4, ""),
    ],
)
def test_only_an_address_is_an_address(text: object, version: int, wanted: str) -> None:
    assert address(text, version) == wanted


def test_a_key_of_two_lines_is_no_key() -> None:
    lines = ["ssh-ed25519 A", " ssh-ed25519 A ", "", 7, "ssh-rsa B\nssh-rsa C"]
    assert cleaned_keys(lines) == ("ssh-ed25519 A",)
