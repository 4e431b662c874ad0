"""A machine in memory that is configured, loses power and starts again."""

import contextlib
from collections.abc import Iterator

from cloud_config.apply.apply import Order, apply
from cloud_config.apply.world import ApplyWorld
from cloud_config.document.findings import Finding
from cloud_config.document.interpreting import Interpretation
from cloud_config.document.model import Document
from cloud_config.planning.actions import Action
from cloud_config.planning.plan import Plan
from cloud_config.planning.record import Record
from cloud_config.prepare import Prepared
from cloud_config.state.report import Outcome, Report
from hostio.disk.datadisks import Content
from hostio.system.accounts import Account
from osmodel.faults import HostFailure, InvalidInput, TransientFailure
from tests.fakes.clock import StoppedClock
from tests.fakes.cloudparts import RamAccounts, RamDataDisks, RamUnits
from tests.fakes.ramdisk import Power
from tests.fakes.ramfile import RamFile
from tests.fakes.ramtree import Leaf, RamTree, layer

DISK = "/dev/disk/by-id/data"
IMAGE = {
    "/etc/hosts": Leaf(content=b"127.0.0.1 localhost\n"),
    "/etc/localtime": Leaf(content=b"UTC"),
    "/etc/ssh/sshd_config": Leaf(content=b"Port 22\n", mode=0o600),
}
IN_IMAGE = {
    "/usr/share/zoneinfo/Europe/Berlin",
    "/usr/lib/systemd/system/ssh.service",
    "/usr/lib/systemd/system/systemd-networkd.service",
}


class SwitchedPower(Power):
    """Power that can be cut at another operation when it is there again.

    The disk behind it may refuse some operations, as a full or a dying one does.
    """

    def __init__(self) -> None:
        super().__init__()
        self._refused = range(0)

    def again(self, cut_at: int | None = None) -> None:
        self.operations = 0
        self._cut_at = cut_at
        self._refused = range(0)

    def refuse(self, operations: range) -> None:
        """Let these fail, counted from the next one."""
        self.operations = 0
        self._refused = operations

    def use(self, medium: str = "") -> None:
        super().use(medium)
        if self.operations - 1 in self._refused:
            raise HostFailure("No space left on device")


class KernelName:
    """The fake of ``hostio.system.hostname.HostName``."""

    def __init__(self) -> None:
        self.name = "localhost"

    def current(self) -> str:
        return self.name

    def set(self, name: str) -> None:
        if len(name) > 64:
            raise InvalidInput(f"not a host name: {name!r}")
        self.name = name


class CloudMachine:
    """A machine with the image's files, the user core and an empty data disk."""

    def __init__(self) -> None:
        self.power = SwitchedPower()
        self.image = RamTree(IMAGE)
        self.tree = RamTree(IMAGE, power=self.power)
        self.accounts = RamAccounts(self.power)
        self.accounts.users["core"] = Account("core", 1000, 1000, "/home/core")
        self.accounts.groups.update({"core": 1000, "sudo": 27})
        self.units = RamUnits(self.power)
        self.disks = RamDataDisks(self.power)
        self.name = KernelName()
        self.clock = StoppedClock()
        self.record = RamFile(power=self.power)
        self.instance = RamFile(power=self.power)
        self.status = RamFile()
        self.pending = RamFile()
        self.once: dict[tuple[str, str], RamFile] = {}
        self.is_locked = False
        self.disks.disks[DISK] = Content()

    @property
    def world(self) -> ApplyWorld:
        return ApplyWorld(
            tree=self.tree,
            image=lambda: layer(self.image),
            accounts=self.accounts,
            units=self.units,
            disks=self.disks,
            hostname=self.name,
            image_has=lambda path: path in IN_IMAGE,
            clock=self.clock,
            record=self.record,
            instance=self.instance,
            pending=self.pending,
            machine_id=RamFile("0123456789abcdef0123456789abcdef\n"),
            status=self.status,
            once=self._once,
            lock=self._lock,
        )

    def apply(
        self,
        *actions: Action,
        instance: str = "i-1",
        findings: tuple[Finding, ...] = (),
        with_commands: bool = True,
        user_data: bytes | None = None,
    ) -> Report:
        prepared = Prepared(Interpretation(Document()), Plan(actions), findings)
        order = Order(
            prepared.actions if with_commands else lambda _: actions,
            instance,
            "test",
            findings,
            user_data,
            with_commands,
        )
        return apply(order, self.world)

    def restart(self, cut_at: int | None = None) -> None:
        """The machine starts again; what is below /run is gone."""
        self.power.again(cut_at)
        self.units.restarted()
        self.name.name = "localhost"
        self.status.text = self.pending.text = None
        self.is_locked = False
        for path in [path for path in self.tree.leaves if path.startswith("/run/")]:
            del self.tree.leaves[path]

    def written(self) -> Record:
        return Record.from_json(self.record.text or "")

    def once_text(self, name: str, instance: str = "i-1") -> str | None:
        return self._once(instance, name).text

    def _once(self, instance: str, name: str) -> RamFile:
        return self.once.setdefault((instance, name), RamFile(power=self.power))

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        if self.is_locked:
            raise TransientFailure("another cloud-config is running")
        self.is_locked = True
        try:
            yield
        finally:
            self.is_locked = False


def outcomes(report: Report) -> list[Outcome]:
    """Of the actions, in order."""
    return [result.outcome for result in report.results]
