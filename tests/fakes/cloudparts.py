"""Users, units and data disks of a machine that exists in memory."""

from dataclasses import dataclass, field, replace

from hostio.disk.datadisks import Content
from hostio.system.accounts import Account, NewAccount
from osmodel.faults import HostFailure, InvalidInput
from tests.fakes.ramdisk import Power


@dataclass
class RamAccounts:
    """The fake of ``hostio.system.accounts.Accounts``; making a user takes two writes.

    A user whose second write is missing has no groups, as after a power cut.
    """

    power: Power = field(default_factory=Power)
    users: dict[str, Account] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    members: dict[str, tuple[str, ...]] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def user(self, name: str) -> Account | None:
        return self.users.get(name)

    def group(self, name: str) -> int | None:
        return self.groups.get(name)

    def add(self, account: NewAccount) -> None:
        if account.name in self.users:
            raise HostFailure(f"exit 9: useradd: user '{account.name}' already exists")
        if account.own_group and account.name in self.groups:
            raise HostFailure(f"exit 9: useradd: group {account.name} exists")
        self.calls.append(f"add {account.name}")
        self.power.use()
        number = max((one.user for one in self.users.values()), default=999) + 1
        group = self.groups.get(account.primary_group, number)
        home = account.home or f"/home/{account.name}"
        self.users[account.name] = Account(account.name, number, group, home)
        if account.own_group:
            self.groups[account.name] = number
        self.power.use()
        self.members[account.name] = tuple(account.groups)
        self.passwords[account.name] = "*"

    def remove(self, name: str) -> None:
        self.calls.append(f"remove {name}")
        self.power.use()
        gone = self.users.pop(name)
        if self.groups.get(name) == gone.group:
            del self.groups[name]
        self.members.pop(name, None)
        self.passwords.pop(name, None)

    def set_password(self, name: str, hashed: str) -> None:
        self.calls.append(f"password {name}")
        self.power.use()
        self.passwords[name] = hashed


@dataclass
class RamUnits:
    """The fake of ``hostio.system.unitmanager.UnitManager``."""

    power: Power = field(default_factory=Power)
    enabled: set[str] = field(default_factory=set)
    active: set[str] = field(default_factory=set)
    refuses: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)

    def reload(self) -> None:
        self._call("reload")

    def is_enabled(self, name: str) -> bool:
        return name in self.enabled

    def is_active(self, name: str) -> bool:
        return name in self.active

    def enable(self, name: str, *, runtime: bool) -> None:
        self._call(f"enable {name}{' until restart' if runtime else ''}", name)
        self.enabled.add(name)

    def disable(self, name: str, *, runtime: bool) -> None:
        del runtime
        self._call(f"disable {name}", name)
        self.enabled.discard(name)

    def command(self, verb: str, name: str, *, wait: bool = False) -> None:
        self._call(f"{verb} {name}{' and wait' if wait else ''}", name)
        if verb == "stop":
            self.active.discard(name)
        else:
            self.active.add(name)

    def start_script(self, unit: str, script: str, ended: str, description: str) -> None:
        del script, ended, description
        self._call(f"script {unit}", unit)
        self.active.add(unit)

    def restarted(self) -> None:
        """The machine was: what ran is gone."""
        self.active.clear()
        self.calls.clear()

    def _call(self, text: str, name: str = "") -> None:
        if name in self.refuses:
            raise HostFailure(f"exit 1: systemctl {text}\nFailed to do it: {name} is masked")
        self.power.use()
        self.calls.append(text)


@dataclass
class RamDataDisks:
    """The fake of ``hostio.disk.datadisks.DataDisks``; a cut leaves a disk half-made."""

    power: Power = field(default_factory=Power)
    disks: dict[str, Content] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)

    def look(self, device: str) -> Content:
        if not device.startswith("/dev/"):
            raise InvalidInput(f"{device}: not a block device")
        if device not in self.disks:
            raise HostFailure(f"{device}: no such disk after 10 s")
        return self.disks[device]

    def fresh_identity(self, kind: str) -> str:
        return f"{kind}-{len(self.made)}"

    def make(self, device: str, kind: str, label: str, identity: str) -> None:
        content = self.disks[device]
        assert not content.in_use, "formatted a disk in use"
        assert content.kind == "" or content.identity == identity, "formatted another's data"
        self.power.use()
        self.disks[device] = replace(content, blank=False, kind="", label="")
        self.power.use()
        self.disks[device] = Content(kind, label, identity, blank=False)
        self.made.append(device)
