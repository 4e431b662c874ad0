"""The commands of the documents, run as a reader types them, in a copy of this checkout."""

import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hostio.system.clock import SystemClock
from hostio.system.runner import Command, LocalRunner
from hostio.system.spawner import LocalSpawner, Process
from tests.checkout import ROOT
from tests.documented import AS_TYPED, RUNNERS, command_lines

pytestmark = [
    pytest.mark.interop,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="making a root tree takes root"),
]
DOCUMENT = "#cloud-config\nhostname: example\n"
MODULES = {"boot-image": "builder.machine.cli", "build-image": "builder.cli"}
MODULES |= {"update-mirror": "mirror.cli", "cloud-config": "cloud_config.cli"}


@dataclass(frozen=True, slots=True)
class Shell:
    """A reader's shell in the top directory of a checkout of their own.

    Attributes:
        directory: of the checkout.
        typed: lines that were run.
    """

    directory: Path
    typed: set[str] = field(default_factory=set)

    def run(self, line: str) -> str:
        """Type a line and wait for its end; what it printed.

        Raises:
            HostFailure: its exit status is not 0.
        """
        argv = ("bash", "-o", "errexit", "-o", "pipefail", "-c", line)
        command = Command(argv, env=self._environment(), cwd=self.directory, timeout=1800)
        return LocalRunner().run(command).decode()

    def start(self, line: str, output: Path) -> Process:
        """Type a line whose program stays."""
        argv = ("bash", "-c", f"exec {line}")
        command = Command(argv, env=self._environment(), cwd=self.directory)
        return LocalSpawner().spawn(command, output)

    def _environment(self) -> Mapping[str, str]:
        path = f"{self.directory / '.venv' / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"
        kept = {name: os.environ[name] for name in ("TWINKEEL_CACHE",) if name in os.environ}
        return {**kept, "PATH": path, "HOME": str(Path.home()), "PYTHONPATH": str(self.directory)}


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """All files of the checkout, so that a command that writes there does no harm."""
    top = tmp_path_factory.mktemp("checkout")
    names = LocalRunner().run(Command(("git", "ls-files", "-z"), cwd=ROOT)).decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).exists():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, top / name, follow_symlinks=False)
    programs = top / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, module in MODULES.items():
        wrapper(programs / name, f'exec "{sys.executable}" -m {module} "$@"')
    main = "import sys; from cloud_config.cli import main; sys.exit(main())"
    # The name it is called by decides what it is.
    wrapper(programs / "coreos-cloudinit", f'exec -a "$0" "{sys.executable}" -c \'{main}\' "$@"')
    for name in ("FILE", "F"):
        (top / name).write_text(DOCUMENT)
    return Shell(top)


def wrapper(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/bash\n{line}\n")
    path.chmod(0o755)


def wait_for(text: str, process: Process, output: Path, seconds: float) -> None:
    clock = SystemClock()
    deadline = clock.monotonic() + seconds
    while text not in output.read_text():
        assert process.poll() is None, output.read_text()
        assert clock.monotonic() < deadline, output.read_text()
        clock.sleep(0.2)


def boots_and_ends_with_ctrl_c(shell: Shell, line: str) -> None:
    output = shell.directory / "boot.log"
    output.write_bytes(b"")
    process = shell.start(line, output)
    wait_for("ready: version 1.0.0, slot a", process, output, 1800)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(300) == 128 + signal.SIGINT, output.read_text()


def serves_until_told(shell: Shell, line: str) -> None:
    output = shell.directory / "serve.log"
    output.write_bytes(b"")
    # Another program may have that port, and nobody outside is to see it.
    typed = re.sub(r"--listen [0-9.]+:8080", "--listen 127.0.0.1:0", line)
    assert typed != line
    process = shell.start(typed, output)
    wait_for("http://127.0.0.1:", process, output, 60)
    process.terminate()
    assert process.wait(60) == 0, output.read_text()


def prints_a_schema(shell: Shell, line: str) -> None:
    printed = shell.run(line) or (shell.directory / "cloud-config.schema.json").read_text()
    assert json.loads(printed)["type"] == "object"


def asks_for_a_password(shell: Shell, line: str) -> None:
    assert shell.run(f"{line} <<< $'secret\nsecret'").startswith("$6$")


SPECIAL: Mapping[str, Callable[[Shell, str], None]] = {
    "boot-image": boots_and_ends_with_ctrl_c,
    "update-mirror serve": serves_until_told,
    "cloud-config schema": prints_a_schema,
    "openssl": asks_for_a_password,
}


def typed(shell: Shell, line: str) -> None:
    for start, runs in SPECIAL.items():
        if line.startswith(start):
            return runs(shell, line)
    shell.run(line)
    return None


def lines_of(document: str) -> Sequence[str]:
    wanted = [line.text for line in command_lines() if line.document == document]
    return [text for text in wanted if RUNNERS.get(text) == AS_TYPED]


DOCUMENTS = sorted({line.document for line in command_lines() if lines_of(line.document)})


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_commands_of_a_document_work_in_their_order(document: str, shell: Shell) -> None:
    for line in lines_of(document):
        if line not in shell.typed:  # in another document
            # Nothing of the host's own is written to.
            typed(shell, line.replace("/srv/mirror", f"{shell.directory}/srv/mirror"))
            shell.typed.add(line)


def test_a_lock_can_be_refreshed(shell: Shell) -> None:
    image, tools = (
        shell.directory / name for name in ("images/minimal/lock/x86_64.lock", "builder/packages")
    )
    image.unlink()
    for line in ("build-image lock images/minimal --arch x86_64", "build-image lock --tools"):
        shell.run(line)
    assert "systemd" in image.read_text()
    assert "qemu-system-x86" in (tools / "tools.lock").read_text()


def test_make_clean_removes_what_was_built(shell: Shell) -> None:
    (shell.directory / "out").mkdir(exist_ok=True)
    shell.run("make clean")
    assert not (shell.directory / "out").exists()
