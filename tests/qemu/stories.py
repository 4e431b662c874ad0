"""The stories: what machines live through. They observe; the tests judge.

Each is one machine on one disk, so that few boots show much.
"""

import json
from dataclasses import replace

from builder.machine.guest import Machine
from hostio.system.clock import SystemClock
from osmodel.faults import HostFailure
from tests.qemu.diary import Diary
from tests.qemu.stage import Stage, inside, restart, until_gone
from tests.qemu.workshop import Mirror

STATUS = {"status": "update-ctl status --json", "why": "update-ctl why --json"}
IDENTITY = {
    "machine-id": "cat /etc/machine-id",
    "host key": "cat /etc/ssh/ssh_host_ed25519_key.pub",
    "kept file": "cat /etc/kept /var/kept /root/kept 2>&1 || true",
}
# The engine's service ends when nobody asks it anything; it is asked while starting.
_QUIET = "for i in $(seq 90); do pgrep -f '^/usr/bin/python3' > /dev/null || break; sleep 1; done"
FIRST_LOOK = {
    "mounts": "findmnt --raw --noheadings --output TARGET,FSTYPE,OPTIONS",
    "verity": "dmsetup status root; dmsetup table root",
    "write to /usr": "touch /usr/x 2>&1 || true",
    "command line": "cat /proc/cmdline",
    "failed units": "systemctl list-units --failed --no-legend --plain",
    "system state": "systemctl is-system-running || true",
    "state size": "findmnt --noheadings --bytes --output SIZE /var",
    "journal": "ls /var/log/journal/",
    "network": "ip -brief address",
    # Updates come when the story says so, not when the timer does.
    "no timer": "systemctl mask --now --quiet update-engine-run.timer",
    "keep": "for d in /etc /var /root; do echo kept > $d/kept; done; sync",
}
_SECOND_LOOK = {
    "boots": "journalctl --list-boots --quiet",
    "programs": f"{_QUIET}; ps -eo args",
    "repairs": "journalctl --boot --grep 'recover|EXT4-fs error' --no-pager --quiet || true",
}


def life(stage: Stage) -> None:
    """First start, restart, power cut, update, and rot in the slot it then runs from."""
    shop = stage.workshop
    first, second = shop.build("1.0.0", publishable=False), shop.build("1.0.1")
    mirror = shop.mirror(stage.directory)
    with stage.machine(first, mirror) as guest:
        _first_days(stage.diary, guest)
        mirror.publish(second)
        _power_fails(stage.diary, guest)
        _update_comes(stage.diary, guest)
        _slot_rots(stage.diary, guest)


def _first_days(diary: Diary, guest: Machine) -> None:
    guest.start()
    diary.ready("first start", guest.wait_ready())
    diary.ask(guest, "first start", {**FIRST_LOOK, **IDENTITY})
    restart(guest)
    diary.ready("second start", guest.wait_ready())
    diary.ask(guest, "second start", {**IDENTITY, **_SECOND_LOOK})


def _power_fails(diary: Diary, guest: Machine) -> None:
    diary.write("progress when the power failed", _cut_power_while_writing(guest))
    guest.start()
    diary.ready("after the power cut", guest.wait_ready())
    diary.write("after the power cut: entries", inside(guest, "entries"))


def _update_comes(diary: Diary, guest: Machine) -> None:
    diary.ask(guest, "before the update", {"check": "update-ctl check --json"})
    until_gone(guest, applied("--reboot"))
    diary.ready("updated", guest.wait_ready())
    diary.write("updated: entries", inside(guest, "entries"))
    diary.ask(guest, "updated", {**IDENTITY, **STATUS})


def _slot_rots(diary: Diary, guest: Machine) -> None:
    restart(guest)  # so that the last start before the rot ended in good order
    diary.ready("before the rot", guest.wait_ready())
    diary.write("rot", inside(guest, "corrupt", "root-b"))
    before = guest.starts
    restart(guest)
    diary.ready("after the rot", guest.wait_ready())
    diary.write("after the rot: starts", str(guest.starts - before))
    diary.write("after the rot: entries", inside(guest, "entries"))
    diary.ask(guest, "after the rot", {**IDENTITY, **STATUS})


def bad_versions(stage: Stage) -> None:
    """Five versions that each fail in another way; the machine stays with the first."""
    diary, shop = stage.diary, stage.workshop
    first, ill = shop.build("1.0.0", publishable=False), shop.build("1.0.2", "ill")
    mirror = shop.mirror(stage.directory)
    with stage.machine(first, mirror) as guest:
        guest.start()
        diary.ready("start", guest.wait_ready())
        diary.ask(guest, "start", {"no timer": FIRST_LOOK["no timer"]})

        mirror.publish(ill)
        install(guest)
        fall_back(stage, guest, "ill")
        diary.ask(
            guest, "ill", {"again": "update-ctl apply --json || true", "kept": _KEPT_JOURNALS}
        )

        mirror.publish(shop.build("1.0.3", "panics"))
        install(guest)
        inside(guest, "last-try", "1.0.3")
        fall_back(stage, guest, "panics")

        _spoiled(stage, guest, mirror, "1.0.4", "truncate 1.0.4")
        _spoiled(stage, guest, mirror, "1.0.5", "wrong-root 1.0.5")
        _spoiled(stage, guest, mirror, "1.0.6", "corrupt root-b")

        diary.ask(guest, "the end", {**STATUS, "failed units": FIRST_LOOK["failed units"]})


_KEPT_JOURNALS = (
    "grep --no-filename 'update-engine-health.service: Failed'"
    " /var/lib/update-engine/failures/*/*.log"
)


def node(stage: Stage) -> None:
    """The image for nodes of a cluster: etcd and podman."""
    diary = stage.diary
    release = stage.workshop.build("1.0.0", image="node", publishable=False)
    mirror = stage.workshop.mirror(stage.directory)
    with stage.machine(release, mirror, lambda usual: replace(usual, memory_mib=2048)) as guest:
        guest.start()
        diary.ready("start", guest.wait_ready())
        diary.ask(guest, "start", _NODE)


_NODE = {
    "first-boot cost": "systemctl show cloud-config-local --property=ActiveEnterTimestampMonotonic"
    " --property=InactiveExitTimestampMonotonic",
    "first-boot pythons": "journalctl --boot --unit='cloud-config-*' --output=cat --no-pager"
    " | grep -c boot-step || true",
    "programs": f"{_QUIET}; ps -eo pid,ppid,rss,args",
    "failed units": FIRST_LOOK["failed units"],
    "etcd": "systemctl start etcd && etcdctl put greeting hello && etcdctl get greeting",
    "docker": "docker info --format '{{.Host.OCIRuntime.Name}}'",
    "container": (
        "set -e; d=$(mktemp -d); mkdir -p $d/usr; cd $d; ln -s usr/bin bin; ln -s usr/lib lib;"
        " ln -s usr/lib64 lib64; mkdir -p proc dev sys etc run tmp;"
        " podman run --rm --network none --volume /usr:/usr:ro --rootfs $d /usr/bin/echo contained"
    ),
}


def _spoiled(stage: Stage, guest: Machine, mirror: Mirror, version: str, how: str) -> None:
    """Install a good version, spoil it before its only start."""
    mirror.publish(stage.workshop.build(version))
    install(guest)
    inside(guest, "last-try", version)
    inside(guest, *how.split())
    fall_back(stage, guest, how.split(maxsplit=1)[0])


def install(guest: Machine) -> None:
    """Install what is on offer; it is armed then, and does not run yet."""
    guest.ssh(applied(""), timeout=1800)


def applied(options: str) -> str:
    """The command that installs what is on offer, quiet if that works."""
    log = "/var/apply.log"
    return f"update-ctl apply {options} > {log} 2>&1 || {{ s=$?; cat {log} >&2; exit $s; }}"


def fall_back(stage: Stage, guest: Machine, name: str) -> None:
    """Restart into the armed version and observe what comes of it."""
    before = guest.starts
    restart(guest)
    stage.diary.ready(f"{name}: came back", guest.wait_ready())
    stage.diary.write(f"{name}: starts", str(guest.starts - before))
    stage.diary.write(f"{name}: entries", inside(guest, "entries"))
    stage.diary.ask(guest, name, STATUS)


def _cut_power_while_writing(guest: Machine) -> str:
    """Pull the plug when a good part of the slot is written; returns the progress."""
    guest.ssh("systemd-run --quiet --unit=interrupted update-ctl apply")
    clock = SystemClock()
    deadline = clock.monotonic() + 600
    while clock.monotonic() < deadline:
        text = guest.ssh("cat /run/update-engine/progress.json 2>/dev/null || echo {}")
        progress = json.loads(text).get("progress", 0.0)
        if progress > _ENOUGH:
            guest.powercut()
            return str(progress)
        clock.sleep(0.2)
    journal = guest.ssh("journalctl --unit=interrupted --no-pager")
    raise HostFailure(f"the update never came to {_ENOUGH:.0%}\n{journal}")


_ENOUGH = 0.3
