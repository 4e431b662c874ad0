"""A Raspberry Pi image under U-Boot, on a machine with all devices.

Its loader is a script with two copies of a small state; these are the cases they
are for.
"""

import json

import pytest

from tests.qemu.observations import Observations
from tests.qemu.test_lifecycle import mount_of


def test_it_boots_healthy_by_the_script(raspberrypi: Observations) -> None:
    status = raspberrypi.status("first boot")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.0", "a", "healthy")
    fields = json.loads(raspberrypi.text("first boot: machine").splitlines()[1])
    assert (fields["architecture"], fields["platform"]) == ("arm64", "raspberrypi")
    assert raspberrypi.text("first boot: entries").splitlines() == ["1.0.0 good"]


def test_the_root_of_a_raspberry_pi_is_verified_too(raspberrypi: Observations) -> None:
    kind, *options = mount_of("/", raspberrypi.text("first boot: mounts"))
    assert (kind, "ro" in options) == ("erofs", True)


def test_no_unit_fails_on_it(raspberrypi: Observations) -> None:
    assert raspberrypi.text("first boot: failed units").strip() == ""


def test_its_update_is_marked_good(raspberrypi: Observations) -> None:
    status = raspberrypi.status("updated")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.1", "b", "healthy")
    assert raspberrypi.text("updated: entries").splitlines() == ["1.0.0 good", "1.0.1 good"]


def test_its_update_keeps_what_it_is(raspberrypi: Observations) -> None:
    for what in ("machine-id", "host key", "kept file"):
        assert raspberrypi.text(f"updated: {what}") == raspberrypi.text(f"first boot: {what}")


def test_a_good_kernel_image_that_is_cut_short_makes_room_for_the_other(
    raspberrypi: Observations,
) -> None:
    status = raspberrypi.status("good image truncated: fallback")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.0", "a", "healthy")
    # The script goes on to the other slot without a reset.
    assert raspberrypi.text("good image truncated: boots") == "1"


def test_a_version_that_panics_is_tried_and_left_by_the_copy_that_is_whole(
    raspberrypi: Observations,
) -> None:
    status = raspberrypi.status("panics: fallback")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.0", "a", "healthy")
    assert raspberrypi.text("panics: boots") == "2"
    assert "1.0.3" in str(raspberrypi.status("panics: status")["quarantined"])


def test_without_a_copy_of_the_state_it_boots_all_the_same(raspberrypi: Observations) -> None:
    status = raspberrypi.status("both torn: fallback")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.0", "a", "healthy")
    assert raspberrypi.text("both torn: boots") == "1"


@pytest.mark.parametrize("when", ["panics", "both torn"])
def test_torn_copies_are_made_whole_again(raspberrypi: Observations, when: str) -> None:
    copies = [line.split(": ")[1] for line in raspberrypi.text(f"{when}: copies").splitlines()]
    assert copies[0] == copies[1]
    assert "a=good" in copies[0].split()
