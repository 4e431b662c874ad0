"""The D-Bus client on a real bus."""

import gc
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from dbus_fast import Message

from hostio.system.bus import CallRefused, MethodCall, ReceivedSignal, SignalMatch, Variant
from hostio.system.busclient import BusConnection
from hostio.system.clock import SystemClock
from osmodel.faults import InvalidInput, TransientFailure
from tests.fakes.busservice import Answer, BusService
from tests.privatebus import needs_dbus, private_bus

pytestmark = [pytest.mark.interop, needs_dbus]

NAME, PATH, INTERFACE = "com.example.Thing", "/com/example/Thing", "com.example.Thing"
DBUS, DBUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
CHANGED = SignalMatch(NAME, INTERFACE, "Changed", PATH)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with private_bus(tmp_path) as found:
        yield found


@pytest.fixture
def bus(address: str) -> Iterator[BusConnection]:
    with BusConnection(address) as connection:
        yield connection


def call(member: str, signature: str = "", *body: object) -> MethodCall:
    return MethodCall(NAME, PATH, INTERFACE, member, signature, body)


def heard(number: int) -> ReceivedSignal:
    return ReceivedSignal(CHANGED, PATH, [number])


def emit(service: BusService, number: int, *, to: str | None = None) -> None:
    service.emit(Message.new_signal(PATH, INTERFACE, "Changed", "i", [number]), to=to)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_call_carries_structures_and_variants_both_ways(bus: BusConnection, address: str) -> None:
    echo = Answer("sa(sv)a{sv}", lambda message: message.body)
    body = ["x", [["a", Variant("u", 1)]], {"b": Variant("as", ["c"])}]
    with BusService(address, NAME, {"Echo": echo}):
        answer = bus.call(call("Echo", "sa(sv)a{sv}", *body))
    assert answer == ["x", [["a", 1]], {"b": ["c"]}]


def test_an_error_is_a_refusal_with_its_name(bus: BusConnection, address: str) -> None:
    name = "org.freedesktop.systemd1.NoSuchUnit"
    with (
        BusService(address, NAME, {"Start": Answer(error=name)}),
        pytest.raises(CallRefused, match=r"com\.example\.Thing\.Start: no: ") as told,
    ):
        bus.call(call("Start"))
    assert told.value.error_name == name


def test_a_missing_service_is_transient(bus: BusConnection) -> None:
    with pytest.raises(TransientFailure, match=r"com\.example\.Thing"):
        bus.call(call("Start"))


def test_a_silent_service_is_given_its_time_and_no_more(bus: BusConnection, address: str) -> None:
    clock = SystemClock()
    with BusService(address, NAME, {"Fast": Answer("s", lambda _: ["y"])}):
        began = clock.monotonic()
        with pytest.raises(TransientFailure, match=r"no answer in 0\.3 s"):
            bus.call(call("Slow"), timeout=0.3)
        assert 0.3 <= clock.monotonic() - began < 60
        assert bus.call(call("Fast")) == ["y"]


@pytest.mark.parametrize(
    "wrong",
    [
        call("Echo", "s", 1),
        call("Echo", "u", -1),
        call("Echo", "u", 1 << 40),
        call("Echo", "s", "x", "y"),
        call("Echo", "nonsense", "x"),
        MethodCall(NAME, "no path", INTERFACE, "Echo"),
        MethodCall(NAME, PATH, INTERFACE, "no member"),
    ],
    ids=str,
)
def test_what_no_bus_could_carry_is_invalid(bus: BusConnection, wrong: MethodCall) -> None:
    with pytest.raises(InvalidInput):
        bus.call(wrong)


def test_a_descriptor_arrives_open(bus: BusConnection, address: str) -> None:
    reader, writer = os.pipe()
    with BusService(address, NAME, {"Inhibit": Answer("h", lambda _: [0], descriptors=[writer])}):
        (received,) = bus.call(call("Inhibit"))
    assert isinstance(received, int)
    os.close(writer)
    os.write(received, b"held")
    assert os.read(reader, 9) == b"held"
    os.close(received)
    assert os.read(reader, 9) == b""
    os.close(reader)


def test_signals_are_heard_in_order_and_those_during_a_call_are_kept(
    bus: BusConnection, address: str
) -> None:
    with BusService(address, NAME, {"Busy": Answer()}) as service:
        bus.subscribe(CHANGED)
        bus.subscribe(CHANGED)
        emit(service, 1)
        service.emit(Message.new_signal(PATH, INTERFACE, "Other"))
        service.emit(Message.new_signal("/another", INTERFACE, "Changed", "i", [9]))
        emit(service, 2)
        bus.call(call("Busy"))
        emit(service, 3)
        assert [bus.next_signal(10) for _ in range(3)] == [heard(1), heard(2), heard(3)]
        assert bus.next_signal(0) is None


def test_asking_without_waiting_hears_what_has_arrived(bus: BusConnection, address: str) -> None:
    clock = SystemClock()
    with BusService(address, NAME, {}) as service:
        bus.subscribe(CHANGED)
        assert bus.next_signal(0) is None
        emit(service, 1)
        until = clock.monotonic() + 30
        while (found := bus.next_signal(0)) is None:
            assert clock.monotonic() < until
            clock.sleep(0.01)
    assert found == heard(1)


def test_waiting_ends_when_a_signal_comes(bus: BusConnection, address: str) -> None:
    with BusService(address, NAME, {}) as service:
        bus.subscribe(CHANGED)
        threading.Timer(0.3, emit, (service, 5)).start()
        assert bus.next_signal(30) == heard(5)


def test_a_stranger_cannot_speak_for_the_service(bus: BusConnection, address: str) -> None:
    """Neither to all nor to us alone: the second passes every match rule."""
    with BusService(address, NAME, {"Who": Answer("s", lambda message: [message.sender])}) as real:
        bus.subscribe(CHANGED)
        (me,) = map(str, bus.call(call("Who")))
        with BusService(address, "com.example.Stranger", {}) as stranger:
            emit(stranger, 666)
            emit(stranger, 667, to=me)
            change = [NAME, "", "com.example.Stranger"]
            stranger.emit(
                Message.new_signal(DBUS_PATH, DBUS, "NameOwnerChanged", "sss", change), to=me
            )
            emit(stranger, 668, to=me)
            emit(real, 1)
            assert bus.next_signal(10) == heard(1)
            assert bus.next_signal(0.3) is None


def test_descriptors_of_strangers_are_not_kept(bus: BusConnection, address: str) -> None:
    with BusService(address, NAME, {"Who": Answer("s", lambda message: [message.sender])}) as real:
        bus.subscribe(CHANGED)
        (me,) = map(str, bus.call(call("Who")))
        before = open_files()
        with Path("/dev/null").open("rb") as null:
            gift = Message(me, PATH, INTERFACE, "Gift", signature="h", body=[0])
            gift.unix_fds = [null.fileno()]
            for _ in range(20):
                real.send(gift)
            emit(real, 1)
            assert bus.next_signal(10) == heard(1)
        assert open_files() <= before


def test_a_service_may_come_later_and_come_again(bus: BusConnection, address: str) -> None:
    bus.subscribe(CHANGED)
    for number in (1, 2):
        with BusService(address, NAME, {}) as service:
            emit(service, number)
            assert bus.next_signal(10) == heard(number)


# dbus-fast leaves its socket to the garbage collector when it cannot connect.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_no_bus_is_transient(tmp_path: Path) -> None:
    assert "cannot connect" in complaint(f"unix:path={tmp_path}/nothing")
    gc.collect()


def complaint(address: str) -> str:
    try:
        BusConnection(address)
    except TransientFailure as fault:
        return str(fault)
    return ""


def test_a_bus_that_goes_away_is_transient(tmp_path: Path) -> None:
    with private_bus(tmp_path) as address:
        connection = BusConnection(address)
        connection.subscribe(CHANGED)
    with pytest.raises(TransientFailure, match="went away"):
        connection.next_signal(30)
    with pytest.raises(TransientFailure, match="went away"):
        connection.call(call("Anything"))
    connection.close()
