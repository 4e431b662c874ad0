"""Scenarios of machines that are configured at their first boot."""

import contextlib
import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from builder.machine.guest import Machine
from builder.machine.hardware import Hardware
from builder.machine.network import Forward
from builder.machine.sshclient import make_key
from hostio.system.runner import Command
from osmodel.faults import HostFailure
from tests.fakes.metadata.platforms import Ec2
from tests.fakes.metadata.service import MetadataServer, serving, unwell
from tests.qemu import seeds
from tests.qemu.releases import Mirror
from tests.qemu.testbed import Testbed, reboot, run_documented

_CONFIGURATION = {
    "journal": "journalctl --boot --no-pager --output=cat --unit='cloud-config-*'",
    "cloud-config": "cloud-config status --json || true",
    "hostname": "hostname",
    "account": "getent passwd keeper; id keeper; getent shadow keeper || true",
    "file": "stat -c '%U:%G %a' /etc/example/settings.conf; cat /etc/example/settings.conf || true",
    "first file": "cat /var/lib/example/first-only 2>&1 || true",
    "unit": "systemctl is-active greeting.service; systemctl is-enabled greeting.service;"
    " cat /run/greeting 2>&1 || true",
    "drop-in": "systemctl show ssh.service --property=Environment --value",
    "etcd": "systemctl is-active etcd; systemctl show etcd --property=Environment --value;"
    " etcdctl member list --write-out=simple 2>&1 || true",
    "update settings": "update-ctl config",
    "zone": "readlink /etc/localtime",
    "script": "cat /var/lib/script-ran 2>&1 || true",
    "secrets": "stat -c '%U %a' /var/lib/cloud-config/user-data;"
    " journalctl --boot --no-pager --output=cat | grep -c 'saltsalt' || true",
    "metadata": "cat /run/cloud-config/metadata.json || true",
    "failed units": "systemctl list-units --failed --no-legend --plain",
    "sources": "cloud-config sources",
    "drift": "cloud-config diff || true",
    "order": "systemctl show cloud-config-local cloud-config-network systemd-networkd etcd"
    " --property=Id,ActiveEnterTimestampMonotonic,InactiveExitTimestampMonotonic",
}
_NODE_MEMORY = 2048  # MiB


# Wide enough to hold the service's address, and the guest at one that is not link-local.
_EC2_NETWORK = ipaddress.IPv4Network("169.0.0.0/8")
_EC2_NAMES = {"system-manufacturer": "Amazon EC2", "system-product-name": "t3.micro"}


@dataclass(frozen=True, slots=True)
class _Disk:
    """A disk that machines with different sources of user data boot from, one after the other."""

    testbed: Testbed
    release: Path
    mirror: Mirror

    @contextlib.contextmanager
    def machine(
        self,
        *,
        media: tuple[Path, ...] = (),
        credentials: Mapping[str, bytes] | None = None,
        server: MetadataServer | None = None,
    ) -> Iterator[Machine]:
        """A machine with this disk and these sources of user data."""

        def configure(usual: Hardware) -> Hardware:
            configured = replace(usual, memory_mib=_NODE_MEMORY, media=media)
            configured = replace(configured, credentials=credentials or {})
            if server is None:
                return configured
            service = Forward("169.254.169.254", 80, server.port)
            return replace(configured, network=_EC2_NETWORK, forwards=(service,), smbios=_EC2_NAMES)

        with self.testbed.machine(self.release, self.mirror, configure) as guest:
            yield guest

    def key(self) -> str:
        """The public key of the machine's operator; the document's user gets the same."""
        path = self.testbed.directory / "key"
        return make_key(self.testbed.world.runner, path)


def _disk(testbed: Testbed) -> _Disk:
    release = testbed.releases.build("1.0.0", image="node", publishable=False)
    return _Disk(testbed, release, testbed.releases.mirror(testbed.directory))


def nocloud(testbed: Testbed) -> None:
    """A medium labelled cidata; a reboot; another instance on the same disk."""
    disk, observed = _disk(testbed), testbed.observed
    text = seeds.with_script(seeds.document("one", disk.key(), first=True))
    medium = seeds.nocloud_iso(testbed.world, testbed.directory, "first", text)
    with disk.machine(media=(medium,)) as guest:
        guest.start()
        observed.record_boot("first boot", guest.wait_ready())
        observed.record_commands(guest, "first boot", _CONFIGURATION)
        observed.record("first boot: login", _login(testbed, guest))
        guest.ssh("echo changed > /etc/example/settings.conf; usermod -p '*' keeper")
        reboot(guest)
        observed.record_boot("second boot", guest.wait_ready())
        observed.record_commands(guest, "second boot", _CONFIGURATION)
        guest.shutdown()
    text = seeds.with_script(seeds.document("two", disk.key()))
    medium = seeds.nocloud_iso(testbed.world, testbed.directory, "second", text)
    with disk.machine(media=(medium,)) as guest:
        guest.start()
        observed.record_boot("other instance", guest.wait_ready())
        observed.record_commands(guest, "other instance", _CONFIGURATION)
        user_data = "/var/lib/cloud-config/user-data"
        guest.ssh(f"mkdir -p /var/reader; cd /var/reader; cp {user_data} .; cp {user_data} FILE")
        run_documented(testbed, guest, {})


def credential(testbed: Testbed) -> None:
    """A credential in the firmware's tables; then one with a broken document."""
    disk, observed = _disk(testbed), testbed.observed
    text = seeds.document("three", disk.key(), address="$private_ipv4")
    with disk.machine(credentials={"cloud-config.user-data": text}) as guest:
        guest.start()
        observed.record_boot("boot", guest.wait_ready())
        observed.record_commands(guest, "boot", _CONFIGURATION)
        observed.record("boot: login", _login(testbed, guest))
        guest.shutdown()
    text = seeds.BROKEN.replace("{key}", disk.key()).encode()
    with disk.machine(credentials={"cloud-config.user-data": text}) as guest:
        before = len(guest.text)
        guest.start()
        observed.record_boot("broken", guest.wait_ready())
        observed.record_commands(guest, "broken", {**_CONFIGURATION, **_BROKEN})
        observed.record("broken: login", _login(testbed, guest))
        observed.record("broken: console", guest.text[before:])


_BROKEN = {
    "good file": "cat /etc/example/good",
    "evil unit": "ls /usr/lib/systemd/system/evil.service 2>&1 || true",
    "health": "update-ctl status --json",
    "status": "cloud-config status || true",
}


def metadata(testbed: Testbed) -> None:
    """A metadata service on the guest's own network, which comes up late."""
    disk, observed = _disk(testbed), testbed.observed
    text = seeds.document("four", disk.key(), address="$private_ipv4")
    platform = Ec2(user_data=seeds.with_script(text))
    with serving(unwell(platform, 503, 500, 503)) as server:
        with disk.machine(server=server) as guest:
            guest.start()
            observed.record_boot("boot", guest.wait_ready())
            observed.record_commands(guest, "boot", _CONFIGURATION)
            observed.record("boot: login", _login(testbed, guest))
        observed.record(
            "requests", "\n".join(f"{asked.method} {asked.path}" for asked in server.asked)
        )


def _login(testbed: Testbed, guest: Machine) -> str:
    """What the user ``keeper`` sees after logging in with the key of the document."""
    *line, _ = guest.client.command_line()
    options = ("-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes")
    argv = (*line, *options, "keeper@127.0.0.1", "id -un; pwd")
    try:
        return testbed.world.runner.run(Command(argv, timeout=120)).decode()
    except HostFailure as failure:
        return str(failure)
