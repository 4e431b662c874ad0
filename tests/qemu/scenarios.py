"""The scenarios: they operate machines and record what they observe; the tests assert.

Each is one machine on one disk, so that few boots show much.
"""

import json
from dataclasses import replace

from builder.machine.guest import Machine
from hostio.system.clock import SystemClock
from osmodel.faults import HostFailure
from tests.qemu.observations import Observations
from tests.qemu.releases import Mirror
from tests.qemu.testbed import Testbed, reboot, run_documented, run_in_guest, run_until_reboot

STATUS = {"status": "update-ctl status --json", "why": "update-ctl why --json"}
IDENTITY = {
    "machine-id": "cat /etc/machine-id",
    "host key": "cat /etc/ssh/ssh_host_ed25519_key.pub",
    "kept file": "cat /etc/kept /var/kept /root/kept 2>&1 || true",
}
_EDITS = {
    "edit": "for f in issue systemd/resolved.conf pam.d/su; do echo '# edited' >> /etc/$f; done",
    "delete": "rm /etc/networks; sync",
}
_EDITED = {
    "edited files": "cd /etc; sha256sum issue systemd/resolved.conf systemd/networkd.conf"
    " pam.d/su pam.d/common-auth; ls networks 2>&1 || true",
    "etc": "update-ctl etc --json",
}
# The engine's service ends when it has no caller; the health checks call it during the boot.
_QUIET = "for i in $(seq 90); do pgrep -f '^/usr/bin/python3' > /dev/null || break; sleep 1; done"
SYSTEM = {
    "mounts": "findmnt --raw --noheadings --output TARGET,FSTYPE,OPTIONS",
    "verity": "dmsetup status root; dmsetup table root",
    "write to /usr": "touch /usr/x 2>&1 || true",
    "command line": "cat /proc/cmdline",
    "failed units": "systemctl list-units --failed --no-legend --plain",
    "system state": "systemctl is-system-running || true",
    "state size": "findmnt --noheadings --bytes --output SIZE /var",
    "journal": "ls /var/log/journal/",
    "network": "ip -brief address",
    # Of programs: what the kernel says of emulated hardware is QEMU's.
    "warnings": "journalctl --boot --priority warning --quiet --no-pager --output short"
    " _TRANSPORT=journal + _TRANSPORT=stdout + _TRANSPORT=syslog",
    # Updates come when the scenario says so, not when the timer does.
    "no timer": "systemctl mask --now --quiet update-engine-run.timer",
    "keep": "for d in /etc /var /root; do echo kept > $d/kept; done; sync",
}
_AFTER_A_REBOOT = {
    "boots": "journalctl --list-boots --quiet",
    "programs": f"{_QUIET}; ps -eo args",
    "repairs": "journalctl --boot --grep 'recover|EXT4-fs error' --no-pager --quiet || true",
}


def lifecycle(testbed: Testbed) -> None:
    """First boot, reboot, power cut, update, and bit rot in the slot it then runs from."""
    releases = testbed.releases
    first, second = releases.build("1.0.0", publishable=False), releases.build("1.0.1")
    mirror = releases.mirror(testbed.directory)
    with testbed.machine(first, mirror) as guest:
        _first_boots(testbed.observed, guest)
        mirror.publish(second)
        _power_cut_during_update(testbed.observed, guest)
        _update(testbed.observed, guest)
        _running_slot_rots(testbed.observed, guest)
        guest.ssh("mkdir -p /var/reader; head -c 65536 /dev/urandom > /var/reader/FILE")
        run_documented(testbed, guest, {"VERSION": "1.0.1"})


def _first_boots(observed: Observations, guest: Machine) -> None:
    guest.start()
    observed.record_boot("first boot", guest.wait_ready())
    observed.record_commands(guest, "first boot", {**SYSTEM, **IDENTITY})
    reboot(guest)
    observed.record_boot("second boot", guest.wait_ready())
    observed.record_commands(guest, "second boot", {**IDENTITY, **_AFTER_A_REBOOT})


def _power_cut_during_update(observed: Observations, guest: Machine) -> None:
    observed.record("progress at the power cut", _cut_power_while_writing(guest))
    guest.start()
    observed.record_boot("after the power cut", guest.wait_ready())
    observed.record("after the power cut: entries", run_in_guest(guest, "entries"))


def _update(observed: Observations, guest: Machine) -> None:
    asked = {"check": "update-ctl check --json", **_EDITS, **_EDITED}
    observed.record_commands(guest, "before the update", asked)
    run_until_reboot(guest, apply_command("--reboot"))
    observed.record_boot("updated", guest.wait_ready())
    observed.record("updated: entries", run_in_guest(guest, "entries"))
    observed.record_commands(guest, "updated", {**IDENTITY, **STATUS, **_EDITED})


def _running_slot_rots(observed: Observations, guest: Machine) -> None:
    reboot(guest)  # so that the last boot before the rot ended in good order
    observed.record_boot("before the rot", guest.wait_ready())
    observed.record("rot: block", run_in_guest(guest, "corrupt", "root-b"))
    before = guest.starts
    reboot(guest)
    observed.record_boot("after the rot", guest.wait_ready())
    observed.record("after the rot: boots", str(guest.starts - before))
    observed.record("after the rot: entries", run_in_guest(guest, "entries"))
    observed.record_commands(guest, "after the rot", {**IDENTITY, **STATUS, **_EDITED})


def bad_versions(testbed: Testbed) -> None:
    """Five versions that each fail in another way; the machine stays with the first one."""
    observed, releases = testbed.observed, testbed.releases
    first = releases.build("1.0.0", publishable=False)
    unhealthy = releases.build("1.0.2", "unhealthy")
    mirror = releases.mirror(testbed.directory)
    with testbed.machine(first, mirror) as guest:
        guest.start()
        observed.record_boot("boot", guest.wait_ready())
        observed.record_commands(guest, "boot", {"no timer": SYSTEM["no timer"]})

        mirror.publish(unhealthy)
        install(guest)
        boot_until_fallback(testbed, guest, "unhealthy")
        observed.record_commands(
            guest, "unhealthy", {"again": "update-ctl apply --json || true", "kept": _KEPT_JOURNALS}
        )

        mirror.publish(releases.build("1.0.3", "panics"))
        install(guest)
        run_in_guest(guest, "last-try", "1.0.3")
        boot_until_fallback(testbed, guest, "panics")

        _corrupted(testbed, guest, mirror, "1.0.4", "truncate 1.0.4")
        _corrupted(testbed, guest, mirror, "1.0.5", "wrong-root 1.0.5")
        _corrupted(testbed, guest, mirror, "1.0.6", "corrupt root-b")

        observed.record_commands(
            guest, "the end", {**STATUS, "failed units": SYSTEM["failed units"]}
        )


_KEPT_JOURNALS = (
    "grep --no-filename 'update-engine-health.service: Failed with'"
    " /var/lib/update-engine/failures/*/*.log"
)


def node(testbed: Testbed) -> None:
    """The image for nodes of a cluster: etcd and podman."""
    observed = testbed.observed
    release = testbed.releases.build("1.0.0", image="node", publishable=False)
    mirror = testbed.releases.mirror(testbed.directory)
    with testbed.machine(release, mirror, lambda usual: replace(usual, memory_mib=2048)) as guest:
        guest.start()
        observed.record_boot("boot", guest.wait_ready())
        observed.record_commands(guest, "boot", _NODE)


_NODE = {
    "first-boot cost": "systemctl show cloud-config-local --property=ActiveEnterTimestampMonotonic"
    " --property=InactiveExitTimestampMonotonic",
    "first-boot pythons": "journalctl --boot --unit='cloud-config-*' --output=cat --no-pager"
    " | grep -c boot-step || true",
    "programs": f"{_QUIET}; ps -eo pid,ppid,rss,args",
    "failed units": SYSTEM["failed units"],
    "etcd": "systemctl start etcd && etcdctl put greeting hello && etcdctl get greeting",
    "docker": "docker info --format '{{.Host.OCIRuntime.Name}}'",
    "container": (
        "set -e; d=$(mktemp -d); mkdir -p $d/usr; cd $d; ln -s usr/bin bin; ln -s usr/lib lib;"
        " ln -s usr/lib64 lib64; mkdir -p proc dev sys etc run tmp;"
        " podman run --rm --network none --volume /usr:/usr:ro --rootfs $d /usr/bin/echo contained"
    ),
}


def _corrupted(testbed: Testbed, guest: Machine, mirror: Mirror, version: str, how: str) -> None:
    """Install a good version and corrupt it before its only boot."""
    mirror.publish(testbed.releases.build(version))
    install(guest)
    run_in_guest(guest, "last-try", version)
    run_in_guest(guest, *how.split())
    boot_until_fallback(testbed, guest, how.split(maxsplit=1)[0])


def install(guest: Machine) -> None:
    """Install the version on offer; it is armed then, and does not run yet."""
    guest.ssh(apply_command(""), timeout=1800)


def apply_command(options: str) -> str:
    """The command that installs the version on offer, quiet if that works."""
    log = "/var/apply.log"
    return f"update-ctl apply {options} > {log} 2>&1 || {{ s=$?; cat {log} >&2; exit $s; }}"


def boot_until_fallback(testbed: Testbed, guest: Machine, name: str) -> None:
    """Reboot into the armed version and record what comes of it."""
    before = guest.starts
    reboot(guest)
    testbed.observed.record_boot(f"{name}: fallback", guest.wait_ready())
    testbed.observed.record(f"{name}: boots", str(guest.starts - before))
    testbed.observed.record(f"{name}: entries", run_in_guest(guest, "entries"))
    testbed.observed.record_commands(guest, name, STATUS)


def _cut_power_while_writing(guest: Machine) -> str:
    """Cut the power when a good part of the slot is written; returns the progress."""
    guest.ssh("systemd-run --quiet --unit=interrupted update-ctl apply")
    clock = SystemClock()
    deadline = clock.monotonic() + 600
    while clock.monotonic() < deadline:
        text = guest.ssh("cat /run/update-engine/progress.json 2>/dev/null || echo {}")
        progress = json.loads(text).get("progress", 0.0)
        if progress > _CUT_AT:
            guest.powercut()
            return str(progress)
        clock.sleep(0.2)
    journal = guest.ssh("journalctl --unit=interrupted --no-pager")
    raise HostFailure(f"the update never came to {_CUT_AT:.0%}\n{journal}")


_CUT_AT = 0.3
