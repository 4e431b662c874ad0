"""Stories of machines that are told at their start what to be. They observe; the tests judge."""

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
from tests.qemu.stage import Stage, restart
from tests.qemu.workshop import Mirror

_LOOK = {
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
class _Scene:
    """A disk, and what is put before the machines that start from it, one after the other."""

    stage: Stage
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
        """A machine of this disk with this put before it."""

        def fit(usual: Hardware) -> Hardware:
            fitted = replace(usual, memory_mib=_NODE_MEMORY, media=media)
            fitted = replace(fitted, credentials=credentials or {})
            if server is None:
                return fitted
            service = Forward("169.254.169.254", 80, server.port)
            return replace(fitted, network=_EC2_NETWORK, forwards=(service,), smbios=_EC2_NAMES)

        with self.stage.machine(self.release, self.mirror, fit) as guest:
            yield guest

    def key(self) -> str:
        """The public key of the machine's operator; the document's user gets the same."""
        path = self.stage.directory / "key"
        return make_key(self.stage.world.runner, path)


def _scene(stage: Stage) -> _Scene:
    release = stage.workshop.build("1.0.0", image="node", publishable=False)
    return _Scene(stage, release, stage.workshop.mirror(stage.directory))


def nocloud(stage: Stage) -> None:
    """A medium labelled cidata; a restart; another instance on the same disk."""
    scene, diary = _scene(stage), stage.diary
    text = seeds.with_script(seeds.document("one", scene.key(), first=True))
    medium = seeds.nocloud_iso(stage.world, stage.directory, "first", text)
    with scene.machine(media=(medium,)) as guest:
        guest.start()
        diary.ready("first start", guest.wait_ready())
        diary.ask(guest, "first start", _LOOK)
        diary.write("first start: login", _login(stage, guest))
        guest.ssh("echo changed > /etc/example/settings.conf; usermod -p '*' keeper")
        restart(guest)
        diary.ready("second start", guest.wait_ready())
        diary.ask(guest, "second start", _LOOK)
        guest.shutdown()
    text = seeds.with_script(seeds.document("two", scene.key()))
    medium = seeds.nocloud_iso(stage.world, stage.directory, "second", text)
    with scene.machine(media=(medium,)) as guest:
        guest.start()
        diary.ready("other instance", guest.wait_ready())
        diary.ask(guest, "other instance", _LOOK)


def credential(stage: Stage) -> None:
    """A credential in the firmware's tables; then one with a broken document."""
    scene, diary = _scene(stage), stage.diary
    text = seeds.document("three", scene.key(), address="$private_ipv4")
    with scene.machine(credentials={"cloud-config.user-data": text}) as guest:
        guest.start()
        diary.ready("start", guest.wait_ready())
        diary.ask(guest, "start", _LOOK)
        diary.write("start: login", _login(stage, guest))
        guest.shutdown()
    text = seeds.BROKEN.replace("{key}", scene.key()).encode()
    with scene.machine(credentials={"cloud-config.user-data": text}) as guest:
        before = len(guest.text)
        guest.start()
        diary.ready("broken", guest.wait_ready())
        diary.ask(guest, "broken", {**_LOOK, **_BROKEN_LOOK})
        diary.write("broken: login", _login(stage, guest))
        diary.write("broken: console", guest.text[before:])


_BROKEN_LOOK = {
    "good file": "cat /etc/example/good",
    "evil unit": "ls /usr/lib/systemd/system/evil.service 2>&1 || true",
    "health": "update-ctl status --json",
    "people": "cloud-config status || true",
}


def metadata(stage: Stage) -> None:
    """A metadata service on the guest's own network, which comes up late."""
    scene, diary = _scene(stage), stage.diary
    text = seeds.document("four", scene.key(), address="$private_ipv4")
    platform = Ec2(user_data=seeds.with_script(text))
    with serving(unwell(platform, 503, 500, 503)) as server:
        with scene.machine(server=server) as guest:
            guest.start()
            diary.ready("start", guest.wait_ready())
            diary.ask(guest, "start", _LOOK)
            diary.write("start: login", _login(stage, guest))
        diary.write("asked", "\n".join(f"{asked.method} {asked.path}" for asked in server.asked))


def _login(stage: Stage, guest: Machine) -> str:
    """What the user ``keeper`` sees after logging in with the key of the document."""
    *line, _ = guest.client.command_line()
    options = ("-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes")
    argv = (*line, *options, "keeper@127.0.0.1", "id -un; pwd")
    try:
        return stage.world.runner.run(Command(argv, timeout=120)).decode()
    except HostFailure as failure:
        return str(failure)
