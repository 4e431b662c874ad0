"""Users: what is read from the account files and what the programs are asked."""

import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostio.system.accounts import Account, NewAccount, SystemAccounts, useradd
from hostio.system.runner import Command
from osmodel.faults import HostFailure, InvalidInput, TransientFailure
from tests.fakes.runner import ScriptedRunner


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "passwd").write_text(
        "root:x:0:0:root:/root:/bin/bash\n+nis\nbroken:x:y:0:::\n"
        "core:x:1000:1001:Jérôme:/home/core:/bin/bash\n"
    )
    (tmp_path / "group").write_text("root:x:0:\nsudo:x:27:core\n")
    return tmp_path


def test_users_and_groups_are_read_from_the_files(etc: Path) -> None:
    accounts = SystemAccounts(ScriptedRunner(), etc)
    assert accounts.user("core") == Account("core", 1000, 1001, "/home/core")
    assert accounts.user("broken") is None
    assert accounts.user("co") is None
    assert accounts.group("sudo") == 27
    assert accounts.group("core") is None


def test_files_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(HostFailure, match="passwd: No such file"):
        SystemAccounts(ScriptedRunner(), tmp_path).user("core")


def test_a_plain_user_is_made() -> None:
    assert useradd(NewAccount("ada")) == [
        "useradd", "--password", "*", "--create-home", "--shell", "/bin/bash", "--", "ada",
    ]  # fmt: skip


def test_everything_asked_for_is_passed_on() -> None:
    account = NewAccount(  # noqa: S604 - a login shell
        "ada", gecos="Ada; $(reboot)", home="/var/ada", make_home=False, primary_group="users",
        groups=("sudo", "adm"), own_group=False, log_init=False, shell="/bin/sh",
    )  # fmt: skip
    assert useradd(account) == [
        "useradd", "--password", "*", "--comment", "Ada; $(reboot)", "--home-dir", "/var/ada",
        "--no-create-home", "--gid", "users", "--groups", "sudo,adm", "--no-user-group",
        "--no-log-init", "--shell", "/bin/sh", "--", "ada",
    ]  # fmt: skip


def test_system_users_stay_away_from_the_images_numbers() -> None:
    words = useradd(NewAccount("app", system=True))
    assert "--system" in words
    assert "SYS_UID_MAX=899" in words
    assert "SYS_GID_MIN=300" in words


def test_a_password_goes_by_standard_input_alone(etc: Path) -> None:
    runner = ScriptedRunner(chpasswd=b"")
    SystemAccounts(runner, etc).set_password("core", "$6$salt$hash")
    assert runner.commands[0].argv == ["chpasswd", "--encrypted"]
    assert runner.commands[0].stdin == b"core:$6$salt$hash\n"


@pytest.mark.parametrize("hashed", ["a\nroot:x", "a:b", "ä", "a\x00"])
def test_a_password_is_one_field_of_one_line(etc: Path, hashed: str) -> None:
    with pytest.raises(InvalidInput, match="no crypt") as caught:
        SystemAccounts(ScriptedRunner(), etc).set_password("core", hashed)
    assert hashed not in str(caught.value)


@pytest.mark.parametrize("act", ["add", "remove", "password"])
def test_locks_of_a_program_that_lost_power_go_away(etc: Path, act: str) -> None:
    def check(_: Command) -> bytes:
        left = {path.name for path in etc.iterdir()}
        assert left == {".pwd.lock", "passwd", "passwd-", "group", "passwd.conf"}
        return b""

    for name in ("passwd.lock", "shadow+", "subuid.14", "passwd-", "passwd.conf"):
        (etc / name).write_text("1\n")
    accounts = SystemAccounts(ScriptedRunner(useradd=check, userdel=check, chpasswd=check), etc)
    {
        "add": lambda: accounts.add(NewAccount("ada")),
        "remove": lambda: accounts.remove("ada"),
        "password": lambda: accounts.set_password("core", "x"),
    }[act]()


@pytest.fixture
def busy(etc: Path) -> Iterator[None]:
    """Another process holds the lock of the account files."""
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        descriptor = os.open(etc / ".pwd.lock", os.O_WRONLY | os.O_CREAT)
        fcntl.lockf(descriptor, fcntl.LOCK_EX)
        os.write(told, b"x")
        signal.pause()
        os._exit(0)
    os.read(ready, 1)
    yield
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


@pytest.mark.usefixtures("busy")
def test_locks_of_a_program_at_work_are_left(etc: Path) -> None:
    (etc / "passwd.lock").write_text("1\n")
    with pytest.raises(TransientFailure, match="another program"):
        SystemAccounts(ScriptedRunner(), etc).add(NewAccount("ada"))
    assert (etc / "passwd.lock").exists()
