"""Every write of a configuration fails once, or from some moment on.

Nothing raises; what failed is in the report; the next start with room makes the
machine what it would have been; and no disk with a file system is formatted.
"""

from dataclasses import replace

import pytest

from hostio.disk.datadisks import Content
from tests.fakes.cloudmachine import DISK, CloudMachine
from tests.fault.test_cloud_power_cut import (
    configured,
    end_scripts,
    expected,
    operations,
    plan_of,
    state,
)

EVERY = [(first, at) for first in (True, False) for at in range(operations(first))]
ONCE, FROM_THEN_ON = 1, 1_000_000


def use_the_disk(machine: CloudMachine) -> Content:
    """The machine is used until its next start; what is on the disk matters from here on."""
    content = machine.disks.disks[DISK]
    if content.kind:
        content = replace(content, label="in use")
        machine.disks.disks[DISK] = content
    return content


@pytest.mark.parametrize("lasting", [ONCE, FROM_THEN_ON], ids=["once", "from then on"])
@pytest.mark.parametrize(("first", "at"), EVERY)
def test_the_next_start_with_room_makes_it_whole(first: bool, at: int, lasting: int) -> None:  # noqa: FBT001
    machine = configured(first)
    machine.power.refuse(range(at, at + lasting))
    report = machine.apply(*plan_of(first))
    assert any("No space left" in line for line in report.errors)
    content = use_the_disk(machine)
    end_scripts(machine)
    for _ in range(2):
        machine.restart()
        assert not machine.apply(*plan_of(first)).errors
        end_scripts(machine)
    if content.kind:
        assert machine.disks.disks[DISK] == content, "formatted a disk that was in use"
        machine.disks.disks[DISK] = replace(content, label="data")
    assert state(machine) == expected(first)


@pytest.mark.parametrize(("first", "at"), EVERY)
def test_an_empty_document_takes_everything_back_then(first: bool, at: int) -> None:  # noqa: FBT001
    machine = configured(first)
    machine.power.refuse(range(at, at + FROM_THEN_ON))
    machine.apply(*plan_of(first))
    machine.restart()
    assert not machine.apply().errors
    assert not machine.apply().results
    assert not machine.units.enabled
    keys = (leaf for path, leaf in machine.tree.leaves.items() if path.endswith("authorized_keys"))
    assert not any(leaf.content for leaf in keys)
