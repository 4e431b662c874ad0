"""The power fails at every write of a first and of a later configuration.

After the next start the machine must be what it would have been without the
cut, and an empty document must be able to take everything back.
"""

import contextlib
import json
from dataclasses import replace
from functools import cache

import pytest

from cloud_config.planning.actions import (
    Action,
    AuthorizeKeys,
    CommandUnit,
    EnableUnit,
    EnsureUser,
    FormatDisk,
    LinkFile,
    PutFile,
    ReloadManager,
    RunScript,
    SetHostname,
    SetTimezone,
)
from hostio.disk.datadisks import Content
from tests.fakes.cloudmachine import DISK, IMAGE, CloudMachine
from tests.fakes.ramdisk import PowerCut
from tests.fakes.ramtree import Leaf, only_files

FIRST: tuple[Action, ...] = (
    SetHostname("web"),
    SetTimezone("Europe/Berlin"),
    FormatDisk(DISK, "ext4", "data", "storage"),
    PutFile("/etc/systemd/system/data.mount", b"[Mount]", "storage"),
    ReloadManager(),
    EnableUnit("data.mount", runtime=False, origin="storage"),
    CommandUnit("start", "data.mount", "storage"),
    EnsureUser("ada", passwd="$6$x", groups=("sudo",)),
    AuthorizeKeys("ada", ("ssh-ed25519 A ada",), "users"),
    AuthorizeKeys("core", ("ssh-ed25519 C core",), "ssh_authorized_keys"),
    PutFile("/etc/hosts", b"127.0.0.1 web\n", "manage_etc_hosts"),
    PutFile("/etc/app/secret", b"s", "write_files", 0o600, "ada:ada"),
    PutFile("/etc/systemd/system/web.service", b"[Service]", "units[0]"),
    LinkFile("/etc/systemd/system/old.service", "/dev/null", "units[1]"),
    EnableUnit("web.service", runtime=False, origin="units[0]"),
    ReloadManager(),
    CommandUnit("start", "web.service", "units[0]"),
    RunScript(b"#!/bin/sh\n"),
)
SECOND: tuple[Action, ...] = (
    SetHostname("db"),
    EnsureUser("bob", passwd="$6$y"),
    AuthorizeKeys("bob", ("ssh-ed25519 B bob",), "users"),
    AuthorizeKeys("core", ("ssh-ed25519 D other",), "ssh_authorized_keys"),
    PutFile("/etc/app/secret", b"t", "write_files", 0o600, "bob:bob"),
    PutFile("/etc/systemd/system/db.service", b"[Service]", "units[0]"),
    EnableUnit("db.service", runtime=False, origin="units[0]"),
    ReloadManager(),
    CommandUnit("start", "db.service", "units[0]"),
)


def configured(first: bool) -> CloudMachine:  # noqa: FBT001
    """A machine before the configuration that is cut."""
    machine = CloudMachine()
    if not first:
        machine.apply(*FIRST)
        end_scripts(machine)
        machine.restart()
    return machine


def end_scripts(machine: CloudMachine) -> None:
    for unit in [unit for unit in machine.units.active if "script" in unit]:
        machine.units.active.discard(unit)
        name = unit.removeprefix("cloud-config-").removesuffix(".service")
        machine.world.once("i-1", f"{name}.ended").write("")


def plan_of(first: bool) -> tuple[Action, ...]:  # noqa: FBT001
    return FIRST if first else SECOND


def state(machine: CloudMachine) -> dict[str, object]:
    """All that has to come out the same; passwords and numbers included."""
    files = only_files(machine.tree, "/etc/", "/home/")
    disk = machine.disks.disks[DISK]
    return {
        "files": files,
        "users": dict(machine.accounts.users),
        "groups": dict(machine.accounts.groups),
        "members": dict(machine.accounts.members),
        "passwords": dict(machine.accounts.passwords),
        "enabled": set(machine.units.enabled),
        "active": set(machine.units.active),
        "disk": replace(disk, identity=""),
        "name": machine.name.name,
        "record": json.loads(machine.record.text or "null"),
    }


@cache
def operations(first: bool) -> int:  # noqa: FBT001
    machine = configured(first)
    machine.power.again()
    machine.apply(*plan_of(first))
    return machine.power.operations


@cache
def expected(first: bool) -> dict[str, object]:  # noqa: FBT001
    machine = configured(first)
    machine.apply(*plan_of(first))
    end_scripts(machine)
    # Twice, as after a cut: at the second start nothing is left to be stopped.
    machine.restart()
    machine.apply(*plan_of(first))
    end_scripts(machine)
    return state(machine)


CUTS = [(first, at) for first in (True, False) for at in range(operations(first))]


def after_cut(first: bool, at: int) -> CloudMachine:  # noqa: FBT001
    machine = configured(first)
    machine.power.again(at)
    with pytest.raises(PowerCut):
        machine.apply(*plan_of(first))
    machine.restart()
    return machine


@pytest.mark.parametrize(("first", "at"), CUTS)
def test_the_next_start_makes_it_whole(first: bool, at: int) -> None:  # noqa: FBT001
    machine = after_cut(first, at)
    report = machine.apply(*plan_of(first))
    assert not report.errors
    end_scripts(machine)
    machine.restart()
    assert not machine.apply(*plan_of(first)).errors
    end_scripts(machine)
    assert state(machine) == expected(first)


@pytest.mark.parametrize(("first", "at"), CUTS)
def test_an_empty_document_takes_everything_back(first: bool, at: int) -> None:  # noqa: FBT001
    machine = after_cut(first, at)
    assert not machine.apply().errors
    found = only_files(machine.tree, "/etc/")
    assert found == IMAGE
    keys = (leaf for path, leaf in machine.tree.leaves.items() if path.endswith("authorized_keys"))
    assert not any(leaf.content for leaf in keys)
    assert not machine.units.enabled


@pytest.mark.parametrize(("first", "at"), CUTS)
def test_two_cuts_in_a_row_change_nothing_about_it(first: bool, at: int) -> None:  # noqa: FBT001
    machine = after_cut(first, at)
    machine.power.again(3)
    with contextlib.suppress(PowerCut):
        machine.apply(*plan_of(first))
    machine.restart()
    assert not machine.apply(*plan_of(first)).errors
    end_scripts(machine)
    machine.restart()
    machine.apply(*plan_of(first))
    assert state(machine) == expected(first)


@pytest.mark.parametrize("at", range(operations(first=True)))
def test_a_disk_with_data_survives_every_cut(at: int) -> None:
    machine = CloudMachine()
    content = Content("ext4", "mine", "u-1", blank=False)
    machine.disks.disks[DISK] = content
    machine.power.again(at)
    try:
        machine.apply(*FIRST)
    except PowerCut:
        machine.restart()
        machine.apply(*FIRST)
    assert machine.disks.disks[DISK] == content


@pytest.mark.parametrize("full", sorted({a.path for a in FIRST if isinstance(a, PutFile)}))
def test_a_file_without_room_is_made_up_for(full: str) -> None:
    machine = CloudMachine()
    machine.tree.refuses.add(full)
    report = machine.apply(*FIRST)
    assert len(report.errors) == 1
    assert "No space left" in report.errors[0]
    machine.tree.refuses.clear()
    end_scripts(machine)
    machine.restart()
    assert not machine.apply(*FIRST).errors
    assert state(machine) == expected(first=True)


def test_a_file_that_was_never_written_is_not_taken_for_ours() -> None:
    machine = CloudMachine()
    machine.tree.leaves["/etc/app/secret"] = Leaf(content=b"an operator's")
    machine.tree.refuses.add("/etc/app/secret")
    machine.apply(*FIRST)
    machine.tree.refuses.clear()
    machine.apply()
    assert machine.tree.leaves["/etc/app/secret"].content == b"an operator's"
