"""The D-Bus contract without a bus, and the old client without a service."""

import io
import json

import pytest

from hostio.system.runner import Command
from osmodel.faults import InvalidInput, TransientFailure
from tests.fakes.clock import StoppedClock
from tests.fakes.ramsystem import NEW, RamReleases, RamSystem, factory_media
from tests.fakes.runner import ScriptedRunner, failing
from update_engine.client import Client, run
from update_engine.install.sources import FromRepository
from update_engine.service import IDLE_SECONDS, SIGNATURE, WORKER, Manager, bus_object
from update_engine.settings import Settings, UpdateSettings
from update_engine.store import Progress
from update_engine.worker import update

AT_REST = (0, 0.0, "UPDATE_STATUS_IDLE", "", 0)


def machine(*, enabled: bool = True) -> RamSystem:
    updates = UpdateSettings(enabled=enabled)
    return RamSystem(
        factory_media(), ram_releases=RamReleases(NEW), settings=Settings(updates=updates)
    )


def bodies(manager: Manager) -> list[object] | None:
    signals = manager.tick()
    return None if signals is None else [signal.body for signal in signals]


def test_the_object_has_exactly_the_three_methods() -> None:
    served = bus_object(Manager(machine().world))
    assert {name: m.signature for name, m in served.methods.items()} == {
        "AttemptUpdate": "",
        "ResetStatus": "",
        "GetStatus": "xdssx",
    }
    assert (served.name, served.path, served.interface) == (
        "com.coreos.update1",
        "/com/coreos/update1",
        "com.coreos.update1.Manager",
    )


def test_status_is_five_values() -> None:
    assert Manager(machine().world).get_status() == AT_REST


def test_an_attempt_starts_the_worker_and_does_not_wait() -> None:
    system = machine()
    assert Manager(system.world).attempt_update() == ()
    assert list(system.runner.commands[-1].argv) == ["systemctl", "start", "--no-block", WORKER]


def test_an_attempt_with_updates_off_is_refused() -> None:
    with pytest.raises(InvalidInput, match="turned off"):
        Manager(machine(enabled=False).world).attempt_update()


def test_resetting_takes_an_armed_version_back() -> None:
    system = machine()
    update(system.world, FromRepository(system.ram_releases))
    Manager(system.world).reset_status()
    assert list(system.esp.files) == ["twinkeel_1.0.0.efi"]
    assert system.reboot_wanted.text is None
    assert Manager(system.world).get_status()[2] == "UPDATE_STATUS_IDLE"


def test_resetting_forgets_the_last_error() -> None:
    system = machine()
    fault = TransientFailure("the mirror is down")
    system.world.store.change(lambda state: state.with_problem(fault, 1))
    Manager(system.world).reset_status()
    assert system.world.store.state().last_error is None


def test_a_change_of_status_is_signalled_once() -> None:
    system = machine()
    manager = Manager(system.world)
    assert bodies(manager) == []
    system.world.store.publish(Progress("UPDATE_STATUS_DOWNLOADING", "1.0.1", 9, 0.5, 4711))
    assert bodies(manager) == [(0, 0.5, "UPDATE_STATUS_DOWNLOADING", "1.0.1", 9)]
    assert bodies(manager) == []


def test_a_service_that_starts_late_still_asks_for_the_reboot() -> None:
    system = machine()
    update(system.world, FromRepository(system.ram_releases))
    signals = Manager(system.world).tick()
    assert signals is not None
    assert [(s.member, s.signature) for s in signals] == [("StatusUpdate", SIGNATURE)]
    assert signals[0].body[2] == "UPDATE_STATUS_UPDATED_NEED_REBOOT"


def test_the_service_ends_when_nothing_happens() -> None:
    system = machine()
    manager = Manager(system.world)
    assert bodies(manager) == []
    system.clock.advance(IDLE_SECONDS - 1)
    assert bodies(manager) == []
    manager.get_status()
    system.clock.advance(IDLE_SECONDS - 1)
    assert bodies(manager) == []
    system.clock.advance(2)
    assert bodies(manager) is None


def test_the_service_stays_while_a_worker_runs() -> None:
    system = machine()
    manager = Manager(system.world)
    system.world.store.publish(Progress("UPDATE_STATUS_DOWNLOADING", "1.0.1", 9, 0.5, 4711))
    for _ in range(5):
        system.clock.advance(IDLE_SECONDS)
        assert bodies(manager) is not None


STATUS = json.dumps(
    {"type": "xdssx", "data": [1700000000, 0.25, "UPDATE_STATUS_DOWNLOADING", "1.0.1", 42]}
)
PRINTED = (
    "LAST_CHECKED_TIME=1700000000\nPROGRESS=0.250000\nCURRENT_OP=UPDATE_STATUS_DOWNLOADING\n"
    "NEW_VERSION=1.0.1\nNEW_SIZE=42\n"
)


def client(argument: str, *, status: str = STATUS) -> tuple[int, str, list[Command]]:
    runner = ScriptedRunner(
        busctl=lambda c: status.encode() if c.argv[-1] == "GetStatus" else b"{}", update_ctl=b""
    )
    out = io.StringIO()
    return run([argument], Client(runner, StoppedClock(), out)), out.getvalue(), runner.commands


@pytest.mark.parametrize("dashes", ["-", "--"])
def test_the_old_client_prints_what_it_always_did(dashes: str) -> None:
    assert client(f"{dashes}status")[:2] == (0, PRINTED)


@pytest.mark.parametrize(
    ("argument", "method"),
    [("-check_for_update", "AttemptUpdate"), ("-reset_status", "ResetStatus")],
)
def test_the_old_client_calls_the_methods(argument: str, method: str) -> None:
    status, _, commands = client(argument)
    assert status == 0
    assert commands[0].argv[-1] == method


def test_the_old_client_updates_and_waits() -> None:
    status, text, commands = client("-update")
    assert (status, text) == (0, PRINTED)
    assert list(commands[0].argv) == ["update-ctl", "apply"]


@pytest.mark.parametrize("answer", ["", "{}", '{"data": [1]}', '{"data": 1}'])
def test_the_old_client_ends_with_1_when_the_answer_is_nonsense(answer: str) -> None:
    assert client("-status", status=answer)[0] == 1


def test_the_old_client_ends_with_1_when_the_service_does_not_answer() -> None:
    runner = ScriptedRunner(busctl=failing("exit 1: busctl"))
    assert run(["-status"], Client(runner, StoppedClock(), io.StringIO())) == 1


def test_the_old_client_watches_for_changes() -> None:
    answers = [STATUS, STATUS, STATUS.replace("0.25", "0.5")]

    def busctl(_: Command) -> bytes:
        if not answers:
            return failing("the bus went away")(Command(["busctl"]))
        return answers.pop(0).encode()

    out, clock = io.StringIO(), StoppedClock()
    assert run(["-watch_for_updates"], Client(ScriptedRunner(busctl=busctl), clock, out)) == 1
    assert out.getvalue() == PRINTED + PRINTED.replace("0.25", "0.50")
    assert clock.naps == [5.0] * 3
