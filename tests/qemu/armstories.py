"""Stories of machines that are not PCs; see ``stories`` for those of every machine.

They are chosen by what they prove there: that the same updates work, and that the
loader of that machine leaves what is bad.
"""

from dataclasses import replace

from builder.machine.guest import Machine
from builder.machine.hardware import Hardware
from tests.qemu.diary import Diary
from tests.qemu.stage import Stage, inside, until_gone
from tests.qemu.stories import FIRST_LOOK, IDENTITY, STATUS, applied, fall_back, install

_LOOK = {
    "machine": "uname -m; cat /usr/lib/twinkeel/identity.json",
    "mounts": FIRST_LOOK["mounts"],
    "failed units": FIRST_LOOK["failed units"],
    "no timer": FIRST_LOOK["no timer"],
    "keep": FIRST_LOOK["keep"],
    **IDENTITY,
}


def arm(stage: Stage) -> None:
    """An arm64 server: first start, update, and a version that panics."""
    diary, shop = stage.diary, stage.workshop
    first, second = shop.build("1.0.0", publishable=False), shop.build("1.0.1")
    mirror = shop.mirror(stage.directory)
    with stage.machine(first, mirror) as guest:
        _first_start(diary, guest)
        mirror.publish(second)
        _update(diary, guest)
        mirror.publish(shop.build("1.0.3", "panics"))
        install(guest)
        inside(guest, "last-try", "1.0.3")
        fall_back(stage, guest, "panics")


def pi(stage: Stage) -> None:
    """A Raspberry Pi image with U-Boot: everything its script and its two copies are for."""
    diary, shop = stage.diary, stage.workshop
    first, second = shop.build("1.0.0", publishable=False), shop.build("1.0.1")
    mirror = shop.mirror(stage.directory)
    with stage.machine(first, mirror) as guest:
        _first_start(diary, guest)
        mirror.publish(second)
        _update(diary, guest)

        inside(guest, "truncate", "1.0.1")
        fall_back(stage, guest, "good image spoiled")

        mirror.publish(shop.build("1.0.3", "panics"))
        install(guest)
        inside(guest, "last-try", "1.0.3")
        inside(guest, "tear-copies", "1")
        fall_back(stage, guest, "panics")
        diary.write("panics: copies", inside(guest, "copies"))

        inside(guest, "tear-copies", "2")
        fall_back(stage, guest, "both torn")
        diary.write("both torn: copies", inside(guest, "copies"))


def smoke(stage: Stage) -> None:
    """The very image of a board starts on it, once; all it can do is print."""
    release = stage.workshop.build("1.0.0", publishable=False)
    mirror = stage.workshop.mirror(stage.directory)
    with stage.machine(release, mirror, _without_network) as guest:
        guest.start()
        stage.diary.ready("start", guest.wait_ready())
        stage.diary.write("console", guest.text)


def _without_network(usual: Hardware) -> Hardware:
    return replace(usual, forwards=())


def _first_start(diary: Diary, guest: Machine) -> None:
    guest.start()
    diary.ready("first start", guest.wait_ready())
    diary.ask(guest, "first start", _LOOK)
    diary.write("first start: entries", inside(guest, "entries"))


def _update(diary: Diary, guest: Machine) -> None:
    until_gone(guest, applied("--reboot"))
    diary.ready("updated", guest.wait_ready())
    diary.write("updated: entries", inside(guest, "entries"))
    diary.ask(guest, "updated", {**IDENTITY, **STATUS})
