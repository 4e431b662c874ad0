import uuid

import pytest

from osmodel import partitions
from osmodel.faults import InvalidInput

ROOT_HASH = "00112233445566778899aabbccddeeff" + "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


def test_a_slot_is_named_by_the_two_halves_of_its_root_hash() -> None:
    assert partitions.slot_guids(ROOT_HASH) == (
        "00112233-4455-6677-8899-aabbccddeeff",
        "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
    )


def test_the_case_of_a_root_hash_does_not_matter() -> None:
    assert partitions.slot_guids(ROOT_HASH.upper()) == partitions.slot_guids(ROOT_HASH)


@pytest.mark.parametrize("text", ["", "00" * 31, "00" * 33, "zz" * 32, " " + "0" * 63])
def test_anything_else_is_not_a_root_hash(text: str) -> None:
    with pytest.raises(InvalidInput, match="64 hex digits"):
        partitions.slot_guids(text)


def test_derived_guids_are_well_formed_and_repeat() -> None:
    guid = uuid.UUID(partitions.derived_guid("minimal", "disk"))
    assert (guid.version, guid.variant) == (8, uuid.RFC_4122)
    assert partitions.derived_guid("minimal", "disk") == str(guid)
    assert partitions.derived_guid("minimal", "esp") != str(guid)


def test_labels_name_the_slot() -> None:
    assert partitions.root_label("a") == "root-a"
    assert partitions.verity_label("b") == "root-b-verity"
