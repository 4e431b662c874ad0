"""The fields that identify a release."""

from dataclasses import replace

import pytest

from osmodel.faults import InvalidInput
from osmodel.release import Release, release_from_json, release_to_json
from osmodel.version import Version

RELEASE = Release("minimal", "x86_64", "uefi", Version((1, 0, 1)), "ab" * 32)


def test_a_release_survives_json() -> None:
    with_floor = replace(RELEASE, min_version=Version((1, 0)))
    assert release_from_json(release_to_json(RELEASE)) == RELEASE
    assert release_from_json(release_to_json(with_floor)) == with_floor


def test_all_values_are_plain_text() -> None:
    assert release_to_json(RELEASE) == {
        "image": "minimal",
        "architecture": "x86_64",
        "platform": "uefi",
        "version": "1.0.1",
        "root_hash": "ab" * 32,
    }


def test_unknown_fields_are_left_for_later_releases() -> None:
    assert release_from_json({**release_to_json(RELEASE), "colour": 7}) == RELEASE


@pytest.mark.parametrize("field", ["image", "architecture", "platform", "version", "root_hash"])
def test_a_missing_field_is_named(field: str) -> None:
    fields = {key: value for key, value in release_to_json(RELEASE).items() if key != field}
    with pytest.raises(InvalidInput, match=f"{field} is missing"):
        release_from_json(fields)


@pytest.mark.parametrize("field", ["image", "version", "min_version"])
@pytest.mark.parametrize("value", [None, 1, ["1.0"], {}, b"1.0"])
def test_a_field_that_is_not_text_is_refused(field: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=field):
        release_from_json({**release_to_json(RELEASE), field: value})


@pytest.mark.parametrize("field", ["image", "architecture", "platform"])
@pytest.mark.parametrize("value", ["", "..", "a/b", "A", "a.b", "-a", "a-", "a\0", "a\n", "a" * 33])
def test_a_name_that_could_leave_its_directory_is_refused(field: str, value: str) -> None:
    with pytest.raises(InvalidInput, match=f"{field} .* is not a plain name"):
        release_from_json({**release_to_json(RELEASE), field: value})


@pytest.mark.parametrize("value", ["", "ab" * 31, "AB" * 32, "zz" * 32, "ab" * 32 + "\n"])
def test_a_root_hash_is_64_lower_case_hex_digits(value: str) -> None:
    with pytest.raises(InvalidInput, match="64 hex digits"):
        replace(RELEASE, root_hash=value)
