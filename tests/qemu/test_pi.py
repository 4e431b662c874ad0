"""A Raspberry Pi image under U-Boot, on a machine with all devices.

Its loader is a script with two copies of a small state; these are the cases they
are for.
"""

import json

import pytest

from tests.qemu.diary import Diary
from tests.qemu.test_life import mount_of


def test_it_starts_healthy_by_the_script(pi: Diary) -> None:
    status = pi.status("first start")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.0", "a", "healthy")
    fields = json.loads(pi.text("first start: machine").splitlines()[1])
    assert (fields["architecture"], fields["platform"]) == ("arm64", "raspberrypi")
    assert pi.text("first start: entries").splitlines() == ["1.0.0 good"]


def test_the_root_of_a_raspberry_pi_is_verified_too(pi: Diary) -> None:
    kind, *options = mount_of("/", pi.text("first start: mounts"))
    assert (kind, "ro" in options) == ("erofs", True)


def test_no_unit_fails_on_it(pi: Diary) -> None:
    assert pi.text("first start: failed units").strip() == ""


def test_its_update_is_marked_good(pi: Diary) -> None:
    status = pi.status("updated")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.1", "b", "healthy")
    assert pi.text("updated: entries").splitlines() == ["1.0.0 good", "1.0.1 good"]


def test_its_update_keeps_what_it_is(pi: Diary) -> None:
    for what in ("machine-id", "host key", "kept file"):
        assert pi.text(f"updated: {what}") == pi.text(f"first start: {what}")


def test_a_good_kernel_image_that_is_cut_short_makes_room_for_the_other(pi: Diary) -> None:
    status = pi.status("good image spoiled: came back")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.0", "a", "healthy")
    # The script goes on to the other slot without a reset.
    assert pi.text("good image spoiled: starts") == "1"


def test_a_version_that_panics_is_tried_and_left_by_the_copy_that_is_whole(pi: Diary) -> None:
    status = pi.status("panics: came back")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.0", "a", "healthy")
    assert pi.text("panics: starts") == "2"
    assert "1.0.3" in str(pi.status("panics: status")["quarantined"])


def test_without_a_copy_of_the_state_it_starts_all_the_same(pi: Diary) -> None:
    status = pi.status("both torn: came back")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.0", "a", "healthy")
    assert pi.text("both torn: starts") == "1"


@pytest.mark.parametrize("when", ["panics", "both torn"])
def test_torn_copies_are_made_whole_again(pi: Diary, when: str) -> None:
    copies = [line.split(": ")[1] for line in pi.text(f"{when}: copies").splitlines()]
    assert copies[0] == copies[1]
    assert "a=good" in copies[0].split()
