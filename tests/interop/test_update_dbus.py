"""The D-Bus contract on a real bus, asked by busctl."""

import gc
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostio.system.busserver import BusObject, Method, serve
from hostio.system.clock import SystemClock
from hostio.system.runner import Command, LocalRunner
from hostio.system.spawner import LocalSpawner
from osmodel.faults import HostFailure
from tests.checkout import ROOT
from tests.fakes.ramsystem import NEW, RamReleases, RamSystem, factory_media
from tests.privatebus import STRICT, needs_dbus, private_bus
from update_engine.service import INTERFACE, NAME, PATH, Manager, bus_object
from update_engine.store import Progress

pytestmark = [pytest.mark.interop, needs_dbus]

OVERLAY = ROOT / "images/minimal/overlay"
POLICY = OVERLAY / "usr/share/dbus-1/system.d/com.coreos.update1.conf"
RUNNER = LocalRunner()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A private bus with the policy of the image."""
    with private_bus(tmp_path, f"{STRICT}<include>{POLICY}</include>") as found:
        yield found


class Service:
    """The service on a thread of its own."""

    def __init__(self, address: str) -> None:
        self.system = RamSystem(factory_media(), ram_releases=RamReleases(NEW))
        self.address = address
        self._stop = threading.Event()
        manager = Manager(self.system.world)
        served = bus_object(manager)
        ending = BusObject(
            served.name,
            served.path,
            served.interface,
            served.methods,
            lambda: None if self._stop.is_set() else manager.tick(),
        )
        self._thread = threading.Thread(target=serve, args=(ending, address))
        self._thread.start()
        clock = SystemClock()
        until = clock.monotonic() + 60
        while NAME not in self.busctl("list", "--no-legend", "--acquired"):
            assert clock.monotonic() < until
            clock.sleep(0.05)

    def end(self) -> None:
        self._stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def busctl(self, *arguments: str) -> str:
        argv = ["busctl", f"--address={self.address}", "--timeout=10", *arguments]
        return RUNNER.run(Command(argv)).decode()

    def call(self, method: str, *, interface: str = INTERFACE) -> object:
        return json.loads(self.busctl("--json=short", "call", NAME, PATH, interface, method))


@pytest.fixture
def service(address: str) -> Iterator[Service]:
    made = Service(address)
    yield made
    made.end()


def test_status_has_the_signature_that_locksmith_reads(service: Service) -> None:
    assert service.call("GetStatus") == {
        "type": "xdssx",
        "data": [0, 0.0, "UPDATE_STATUS_IDLE", "", 0],
    }


def test_an_attempt_returns_nothing(service: Service) -> None:
    assert service.busctl("call", NAME, PATH, INTERFACE, "AttemptUpdate") == ""


def test_resetting_returns_nothing(service: Service) -> None:
    assert service.busctl("call", NAME, PATH, INTERFACE, "ResetStatus") == ""


def test_an_unknown_method_is_an_error(service: Service) -> None:
    with pytest.raises(HostFailure, match="no such method"):
        service.busctl("call", NAME, PATH, INTERFACE, "Shutdown")


def test_arguments_are_an_error(service: Service) -> None:
    with pytest.raises(HostFailure, match="takes no arguments"):
        service.busctl("call", NAME, PATH, INTERFACE, "GetStatus", "s", "x")


@pytest.mark.parametrize(
    ("interface", "method"),
    [
        ("org.freedesktop.DBus.Introspectable", "Introspect"),
        ("org.freedesktop.DBus.Properties", "GetAll"),
    ],
)
def test_there_is_nothing_to_look_at(service: Service, interface: str, method: str) -> None:
    arguments = ["s", INTERFACE] if method == "GetAll" else []
    with pytest.raises(HostFailure):
        service.busctl("call", NAME, PATH, interface, method, *arguments)


@pytest.mark.parametrize("method", ["GetStatus", "AttemptUpdate", "ResetStatus"])
def test_a_stranger_may_call_nothing(service: Service, method: str) -> None:
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "busctl"]
    call = [f"--address={service.address}", "--timeout=10", "call", NAME, PATH, INTERFACE, method]
    with pytest.raises(HostFailure, match=r"denied|rejected"):
        RUNNER.run(Command([*argv, *call]))


def test_a_stranger_may_not_take_the_name(address: str) -> None:
    del address
    policy = POLICY.read_text()
    assert policy.count('allow own="com.coreos.update1"') == 1
    assert '<policy user="root">\n    <allow own=' in policy


def test_user_core_may_call_the_three_methods_and_no_more() -> None:
    section = POLICY.read_text().partition('<policy user="core">')[2].partition("</policy>")[0]
    members = [part.partition('"')[0] for part in section.split('send_member="')[1:]]
    assert members == ["AttemptUpdate", "ResetStatus", "GetStatus"]
    assert section.count("<allow") == 3


def test_changes_are_signalled(service: Service, tmp_path: Path) -> None:
    argv = ["busctl", f"--address={service.address}", "--json=short", "monitor", NAME]
    log = tmp_path / "monitor.log"
    process = LocalSpawner().spawn(Command(argv), log)
    clock = SystemClock()
    try:
        until = clock.monotonic() + 60
        share = 0.0
        while "StatusUpdate" not in log.read_text():
            assert clock.monotonic() < until, log.read_text()
            share = (share + 0.01) % 1
            record = Progress("UPDATE_STATUS_DOWNLOADING", "1.0.1", 42, share, 4711)
            service.system.world.store.publish(record)
            clock.sleep(0.5)
    finally:
        process.terminate()
        process.wait(10)
    signals = [json.loads(line) for line in log.read_text().splitlines() if "StatusUpdate" in line]
    payload = signals[0]["payload"]
    assert payload["type"] == "xdssx"
    assert payload["data"][2:] == ["UPDATE_STATUS_DOWNLOADING", "1.0.1", 42]


def test_a_taken_name_is_a_host_failure(service: Service) -> None:
    with pytest.raises(HostFailure, match="taken"):
        serve(bus_object(Manager(service.system.world)), service.address)


# dbus-fast leaves its socket to the garbage collector when it cannot connect.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_missing_bus_is_a_host_failure(tmp_path: Path) -> None:
    nobody = BusObject(NAME, PATH, INTERFACE, {"GetStatus": Method("", lambda: ())}, lambda: None)
    assert "cannot connect" in complaint(nobody, f"unix:path={tmp_path}/nothing")
    gc.collect()


def complaint(served: BusObject, address: str) -> str:
    try:
        serve(served, address)
    except HostFailure as fault:
        return str(fault)
    return ""
