"""Units: what systemctl and systemd-run are asked."""

import pytest

from hostio.system.runner import Command
from hostio.system.unitmanager import Systemctl
from osmodel.faults import HostFailure
from tests.fakes.runner import ScriptedRunner, failing


def asked(runner: ScriptedRunner) -> list[str]:
    return [" ".join(command.argv) for command in runner.commands]


def test_jobs_are_queued_and_not_waited_for() -> None:
    runner = ScriptedRunner(systemctl=b"")
    units = Systemctl(runner)
    units.command("restart", "web.service")
    units.command("start", "data.mount", wait=True)
    assert asked(runner) == [
        "systemctl --no-block restart -- web.service",
        "systemctl start -- data.mount",
    ]
    assert all(command.timeout <= 60 for command in runner.commands)


def test_enabling_reads_no_unit_files_again() -> None:
    runner = ScriptedRunner(systemctl=b"")
    units = Systemctl(runner)
    units.enable("web.service", runtime=False)
    units.enable("web.service", runtime=True)
    units.disable("web.service", runtime=False)
    units.reload()
    assert asked(runner) == [
        "systemctl enable --quiet --no-reload -- web.service",
        "systemctl enable --quiet --no-reload --runtime -- web.service",
        "systemctl disable --quiet --no-reload -- web.service",
        "systemctl daemon-reload",
    ]


def test_what_is_not_enabled_is_no_error() -> None:
    assert not Systemctl(ScriptedRunner(systemctl=failing("exit 1"))).is_enabled("x.service")
    assert Systemctl(ScriptedRunner(systemctl=b"")).is_enabled("x.service")


@pytest.mark.parametrize(
    ("state", "active"),
    [("active", True), ("activating", True), ("inactive", False), ("failed", False)],
)
def test_a_unit_that_is_being_started_is_active(state: str, active: bool) -> None:  # noqa: FBT001
    units = Systemctl(ScriptedRunner(systemctl=f"{state}\n".encode()))
    assert units.is_active("x.service") is active


def test_a_script_is_a_unit_that_says_when_it_ended() -> None:
    runner = ScriptedRunner(systemd_run=b"")
    Systemctl(runner).start_script("s.service", "/var/s", "/var/s.ended", "Script of the user data")
    assert asked(runner)[0] == (
        "systemd-run --quiet --no-block --unit=s.service --description=Script of the user data "
        "--property=ExecStopPost=/usr/bin/touch /var/s.ended -- /var/s"
    )


def test_a_refusal_is_a_failure() -> None:
    def refuse(command: Command) -> bytes:
        raise HostFailure(f"exit 1: {command}")

    with pytest.raises(HostFailure, match="masked"):
        Systemctl(ScriptedRunner(systemctl=refuse)).command("start", "masked.service")
