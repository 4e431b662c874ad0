"""Restarting the machine, in order or by force."""

from collections.abc import Callable

import pytest

from hostio.system.power import SystemctlPower
from hostio.system.runner import Command
from osmodel.faults import HostFailure
from tests.fakes.runner import ScriptedRunner, failing


def words(runner: ScriptedRunner) -> list[str]:
    return [str(command) for command in runner.commands]


def refusing(*refused: str) -> Callable[[Command], bytes]:
    def systemctl(command: Command) -> bytes:
        if " ".join(command.argv[1:]) in refused:
            raise HostFailure(f"exit 1: {command}")
        return b""

    return systemctl


ORDERLY, FORCED, BY_ITSELF = "--no-block reboot", "--force reboot", "--force --force reboot"


def test_the_journal_is_on_disk_before_the_restart_begins() -> None:
    runner = ScriptedRunner(journalctl=b"", systemctl=b"")
    SystemctlPower(runner).reboot()
    assert words(runner) == ["journalctl --sync", f"systemctl {ORDERLY}"]


def test_a_journal_that_does_not_answer_stops_no_restart() -> None:
    runner = ScriptedRunner(journalctl=failing("no end after 30 s"), systemctl=b"")
    SystemctlPower(runner).reboot()
    assert words(runner)[-1] == f"systemctl {ORDERLY}"


def test_an_orderly_restart_that_is_refused_is_not_forced() -> None:
    runner = ScriptedRunner(journalctl=b"", systemctl=refusing(ORDERLY))
    with pytest.raises(HostFailure, match="--no-block reboot"):
        SystemctlPower(runner).reboot()
    assert len(runner.commands) == 2


@pytest.mark.parametrize(
    ("refused", "last"),
    [((), ORDERLY), ((ORDERLY,), FORCED), ((ORDERLY, FORCED), BY_ITSELF)],
)
def test_a_restart_that_must_be_goes_as_far_as_it_takes(refused: tuple[str], last: str) -> None:
    runner = ScriptedRunner(journalctl=b"", systemctl=refusing(*refused))
    SystemctlPower(runner).reboot_regardless()
    assert words(runner)[-1] == f"systemctl {last}"


def test_a_kernel_that_refuses_is_a_host_failure() -> None:
    systemctl = refusing(ORDERLY, FORCED, BY_ITSELF)
    with pytest.raises(HostFailure, match="--force --force"):
        SystemctlPower(ScriptedRunner(journalctl=b"", systemctl=systemctl)).reboot_regardless()
