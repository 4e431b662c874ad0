"""The commands that documents show of a machine, run on one."""

from collections.abc import Container, Mapping

import pytest

from tests.documented import on_machine
from tests.qemu.observations import Observations

SCENARIOS = ("lifecycle", "nocloud", "raspberrypi")
pytestmark = pytest.mark.usefixtures(*SCENARIOS)

# What the documents say for a machine whose newer version is quarantined.
EXIT_STATUS: Mapping[str, Container[int]] = {
    "update-ctl check": {10},
    "update-ctl rollback": {11},
    "update-ctl apply --payload FILE": {3},
    "cloud-config diff": {0, 1},  # 1 if files were changed by hand, which the scenario does
}


@pytest.mark.parametrize(
    ("scenario", "command"), [(name, line) for name in SCENARIOS for line in on_machine(name)]
)
def test_a_documented_command_does_as_documented(
    scenario: str, command: str, observations: Mapping[str, Observations]
) -> None:
    printed = observations[scenario].text(f"documented: {command}")
    assert "Traceback" not in printed
    _, _, status = printed.rstrip().rpartition("exit ")
    assert int(status) in EXIT_STATUS.get(command, {0}), printed
