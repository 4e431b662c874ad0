"""What images are built for."""

import pytest

from osmodel.faults import InvalidInput
from osmodel.platforms import TARGETS, Platform, Target, check


def test_targets_have_names_of_their_own() -> None:
    assert [target.lock_name for target in TARGETS] == ["x86_64", "arm64", "raspberrypi"]
    assert [target.label for target in TARGETS] == ["x86_64", "arm64", "arm64-raspberrypi"]


@pytest.mark.parametrize(
    ("architecture", "platform", "message"),
    [
        ("vax", "uefi", "architecture: 'vax' is not supported"),
        ("arm64", "bios", "platform: 'bios' is not supported"),
        ("x86_64", "raspberrypi", "a Raspberry Pi is not an x86_64 machine"),
    ],
)
def test_a_machine_that_does_not_exist_is_refused(
    architecture: str, platform: str, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        check(architecture, platform)
    assert caught.value.hint


def test_no_target_is_made_of_parts_that_do_not_fit() -> None:
    with pytest.raises(InvalidInput):
        Target("x86_64", Platform.RASPBERRYPI)
