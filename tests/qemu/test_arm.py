"""An arm64 server: the same machine with another processor."""

import json

from tests.qemu.observations import Observations
from tests.qemu.test_lifecycle import mount_of


def test_it_boots_healthy_on_arm64(arm: Observations) -> None:
    status = arm.status("first boot")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.0", "a", "healthy")
    machine, identity = arm.text("first boot: machine").splitlines()
    assert machine == "aarch64"
    fields = json.loads(identity)
    assert (fields["architecture"], fields["platform"]) == ("arm64", "uefi")


def test_its_root_is_verified_and_read_only(arm: Observations) -> None:
    kind, *options = mount_of("/", arm.text("first boot: mounts"))
    assert (kind, "ro" in options) == ("erofs", True)


def test_no_unit_fails_on_it(arm: Observations) -> None:
    assert arm.text("first boot: failed units").strip() == ""


def test_its_update_is_blessed_by_name(arm: Observations) -> None:
    status = arm.status("updated")
    assert (status["version"], status["slot"], status["health"]) == ("1.0.1", "b", "healthy")
    assert arm.text("updated: entries").splitlines() == ["1.0.0 good", "1.0.1 good"]


def test_its_update_keeps_what_it_is(arm: Observations) -> None:
    for what in ("machine-id", "host key", "kept file"):
        assert arm.text(f"updated: {what}") == arm.text(f"first boot: {what}")


def test_its_loader_leaves_a_version_that_panics(arm: Observations) -> None:
    status = arm.status("panics: fallback")
    assert (status["version"], status["slot"]) == ("1.0.1", "b")
    assert arm.text("panics: boots") == "2"
    assert "1.0.3" in str(arm.status("panics: status")["quarantined"])
