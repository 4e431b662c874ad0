"""Scenarios of machines that are not PCs; ``scenarios`` has those of every machine.

They are chosen by what they prove there: that the same updates work, and that the
loader of that machine falls back from what is bad.
"""

from dataclasses import replace

from builder.machine.guest import Machine
from builder.machine.hardware import Hardware
from tests.qemu.observations import Observations
from tests.qemu.scenarios import (
    IDENTITY,
    STATUS,
    SYSTEM,
    apply_command,
    boot_until_fallback,
    install,
)
from tests.qemu.testbed import Testbed, run_documented, run_in_guest, run_until_reboot

_SYSTEM = {
    "machine": "uname -m; cat /usr/lib/twinkeel/identity.json",
    "mounts": SYSTEM["mounts"],
    "failed units": SYSTEM["failed units"],
    "no timer": SYSTEM["no timer"],
    "keep": SYSTEM["keep"],
    **IDENTITY,
}


def arm(testbed: Testbed) -> None:
    """An arm64 server: first boot, update, and a version that panics."""
    observed, releases = testbed.observed, testbed.releases
    first, second = releases.build("1.0.0", publishable=False), releases.build("1.0.1")
    mirror = releases.mirror(testbed.directory)
    with testbed.machine(first, mirror) as guest:
        _first_boot(observed, guest)
        mirror.publish(second)
        _update(observed, guest)
        mirror.publish(releases.build("1.0.3", "panics"))
        install(guest)
        run_in_guest(guest, "last-try", "1.0.3")
        boot_until_fallback(testbed, guest, "panics")


def raspberrypi(testbed: Testbed) -> None:
    """A Raspberry Pi image with U-Boot: everything its script and its two copies are for."""
    observed, releases = testbed.observed, testbed.releases
    first, second = releases.build("1.0.0", publishable=False), releases.build("1.0.1")
    mirror = releases.mirror(testbed.directory)
    with testbed.machine(first, mirror) as guest:
        _first_boot(observed, guest)
        mirror.publish(second)
        _update(observed, guest)

        run_in_guest(guest, "truncate", "1.0.1")
        boot_until_fallback(testbed, guest, "good image truncated")

        mirror.publish(releases.build("1.0.3", "panics"))
        install(guest)
        run_in_guest(guest, "last-try", "1.0.3")
        run_in_guest(guest, "tear-copies", "1")
        boot_until_fallback(testbed, guest, "panics")
        observed.record("panics: copies", run_in_guest(guest, "copies"))

        run_in_guest(guest, "tear-copies", "2")
        boot_until_fallback(testbed, guest, "both torn")
        observed.record("both torn: copies", run_in_guest(guest, "copies"))
        run_documented(testbed, guest, {})


def smoke(testbed: Testbed) -> None:
    """The image of a board boots on it, once; all it can do is print."""
    release = testbed.releases.build("1.0.0", publishable=False)
    mirror = testbed.releases.mirror(testbed.directory)
    with testbed.machine(release, mirror, _without_network) as guest:
        guest.start()
        testbed.observed.record_boot("boot", guest.wait_ready())
        testbed.observed.record("console", guest.text)


def _without_network(usual: Hardware) -> Hardware:
    return replace(usual, forwards=())


def _first_boot(observed: Observations, guest: Machine) -> None:
    guest.start()
    observed.record_boot("first boot", guest.wait_ready())
    observed.record_commands(guest, "first boot", _SYSTEM)
    observed.record("first boot: entries", run_in_guest(guest, "entries"))


def _update(observed: Observations, guest: Machine) -> None:
    run_until_reboot(guest, apply_command("--reboot"))
    observed.record_boot("updated", guest.wait_ready())
    observed.record("updated: entries", run_in_guest(guest, "entries"))
    observed.record_commands(guest, "updated", {**IDENTITY, **STATUS})
