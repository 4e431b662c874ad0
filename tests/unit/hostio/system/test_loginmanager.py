"""The login manager behind a bus."""

import os

import pytest

from hostio.system.bus import CallRefused, MethodCall
from hostio.system.loginmanager import Inhibitor, Login1
from tests.fakes.rambus import RamBus

NAME = "org.freedesktop.login1"


def test_users_are_named() -> None:
    rows = [[1000, "core", "/org/freedesktop/login1/user/_1000"], [0, "root", "/u"]]
    assert Login1(RamBus({f"{NAME} ListUsers": lambda _: [rows]})).users() == ["core", "root"]


def test_inhibitors_are_told_apart() -> None:
    rows = [
        ["shutdown:sleep", "backup", "running", "block", 0, 12],
        ["shutdown", "journal", "flushing", "delay", 0, 13],
        ["sleep", "music", "playing", "block", 1000, 14],
    ]
    held = Login1(RamBus({f"{NAME} ListInhibitors": lambda _: [rows]})).inhibitors()
    assert held[0] == Inhibitor("shutdown:sleep", "backup", "running", "block", 0, 12)
    assert [one.blocks_shutdown for one in held] == [True, False, False]


def test_an_inhibitor_is_held_as_long_as_the_block_runs() -> None:
    reader, writer = os.pipe()
    bus = RamBus({f"{NAME} Inhibit": lambda _: [writer]})
    os.set_blocking(reader, False)
    with Login1(bus).inhibit("shutdown", "fleet", "draining", "delay"):
        with pytest.raises(BlockingIOError):
            os.read(reader, 1)
        assert list(bus.calls[0].body) == ["shutdown", "fleet", "draining", "delay"]
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_a_restart_asks_nobody_for_a_password() -> None:
    bus = RamBus({f"{NAME} Reboot": lambda _: ()})
    Login1(bus).reboot()
    assert (bus.calls[0].signature, list(bus.calls[0].body)) == ("b", [False])


def test_a_restart_that_is_inhibited_is_a_refusal() -> None:
    def refuse(_: MethodCall) -> list[object]:
        raise CallRefused("D-Bus: inhibited", error_name=f"{NAME}.BlockedByInhibitorLock")

    with pytest.raises(CallRefused):
        Login1(RamBus({f"{NAME} Reboot": refuse})).reboot()
