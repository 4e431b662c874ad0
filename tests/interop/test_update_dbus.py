"""The D-Bus contract on a real bus, asked by busctl."""

import gc
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostio.system.busserver import BusObject, Method, serve
from hostio.system.clock import SystemClock
from hostio.system.runner import Command, LocalRunner, LocalSpawner
from osmodel.faults import HostFailure
from tests.checkout import ROOT
from tests.fakes.ramsystem import NEW, RamSystem, Shelf, factory_media
from update_engine.service import INTERFACE, NAME, PATH, Manager, bus_object
from update_engine.store import Progress

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        not (shutil.which("dbus-daemon") and shutil.which("busctl")), reason="needs D-Bus"
    ),
]

OVERLAY = ROOT / "images/minimal/overlay"
POLICY = OVERLAY / "usr/share/dbus-1/system.d/com.coreos.update1.conf"
# As the system bus: nobody owns a name or calls a method unless a policy lets them.
CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>custom</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <policy user="root">
    <allow send_destination="org.freedesktop.DBus"
           send_interface="org.freedesktop.DBus.Monitoring"/>
  </policy>
  <include>{policy}</include>
</busconfig>
"""
RUNNER = LocalRunner()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A private bus with the policy of the image."""
    socket, config = tmp_path / "bus", tmp_path / "bus.conf"
    config.write_text(CONFIG.format(socket=socket, policy=POLICY))
    command = Command(["dbus-daemon", f"--config-file={config}", "--nofork"])
    process = LocalSpawner().spawn(command, tmp_path / "bus.log")
    clock = SystemClock()
    try:
        until = clock.monotonic() + 10
        while not socket.exists():
            assert process.poll() is None, (tmp_path / "bus.log").read_text()
            assert clock.monotonic() < until
            clock.sleep(0.02)
        socket.chmod(0o777)
        yield f"unix:path={socket}"
    finally:
        process.terminate()
        process.wait(10)


class Service:
    """The service on a thread of its own."""

    def __init__(self, address: str) -> None:
        self.system = RamSystem(factory_media(), shelf=Shelf(NEW))
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
        until = clock.monotonic() + 10
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
        until = clock.monotonic() + 20
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
