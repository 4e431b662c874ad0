"""Names of units and places of files, as others define them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_config.document.places import checked_path, mount_point
from cloud_config.planning.unitnames import check_drop_in, check_unit, from_path, instance
from osmodel.faults import InvalidInput

LINKS = {"/home": "/var/home", "/root": "/var/roothome", "/srv": "/var/srv"}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/var/home", "var-home.mount"),
        ("/var/lib/my-data", "var-lib-my\\x2ddata.mount"),
        ("/var/.hidden", "var-.hidden.mount"),
        ("/.hidden", "\\x2ehidden.mount"),
        ("/var/ä b", "var-\\xc3\\xa4\\x20b.mount"),
        ("/", "-.mount"),
    ],
)
def test_a_mount_unit_is_called_after_its_path(path: str, name: str) -> None:
    assert from_path(path, "mount") == name


def test_the_check_of_a_disk_is_called_after_its_device() -> None:
    device = "/dev/disk/by-label/data_1"
    assert instance("systemd-fsck", device, "service") == (
        "systemd-fsck@dev-disk-by\\x2dlabel-data_1.service"
    )


@pytest.mark.parametrize("name", ["a.service", "a@b.service", "a@.timer", "eth0.network"])
def test_names_of_units_pass(name: str) -> None:
    assert check_unit(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "a", ".service", "../a.service", "a/b.service", "a b.service", "a.conf", "a.service\n"],
)
def test_other_names_are_no_units(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_unit(name)


@pytest.mark.parametrize("name", ["", ".conf", "a", "../a.conf", "a\n.conf", "x" * 300 + ".conf"])
def test_other_names_are_no_drop_ins(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_drop_in(name)


@pytest.mark.parametrize("path", ["/etc/a", "/var/x/y", "/home/core/.ssh/z", "/root/a", "/run/b"])
def test_files_may_be_written_in_five_trees(path: str) -> None:
    assert checked_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "etc/a",
        "/etc",
        "/usr/bin/x",
        "/etc/../usr/x",
        "/boot/x",
        "/opt/x",
        "/etcetera",
        "/etc/\0",
    ],
)
def test_files_are_written_nowhere_else(path: str) -> None:
    with pytest.raises(InvalidInput):
        checked_path(path)


@given(st.text(st.sampled_from("/.aetcvrusbin")))
def test_no_path_leads_out(path: str) -> None:
    try:
        kept = checked_path(f"/{path}")
    except InvalidInput:
        return
    assert ".." not in kept.split("/")
    assert kept.split("/")[1] in {"etc", "var", "home", "root", "run"}


def test_a_disk_is_mounted_on_the_real_path() -> None:
    assert mount_point("/home", LINKS) == "/var/home"
    assert mount_point("/srv/data", LINKS) == "/var/srv/data"
    assert mount_point("/var/lib/containers", LINKS) == "/var/lib/containers"


@pytest.mark.parametrize(
    "path",
    ["/", "/etc", "/etc/ssh", "/var", "/var/lib", "/run", "/usr", "/mnt", "var/x", "/var/a/"],
)
def test_a_disk_never_hides_the_machine(path: str) -> None:
    with pytest.raises(InvalidInput):
        mount_point(path, LINKS)
