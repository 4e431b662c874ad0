"""The Python packages are installed as locked, whatever was published since.

A resolver that may look beyond the lock holds only until somebody publishes: pip 23
refuses ``coverage[toml]>=7`` in hash mode as soon as a coverage newer than the locked
one is on offer, though the locked one would do.
"""

import json
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from hostio.system.runner import Command, LocalRunner
from osmodel.faults import HostFailure
from tests.checkout import ROOT

pytestmark = pytest.mark.interop

OLDEST_PIP = Path(__file__).with_name("oldest-pip.txt")
NEWER = "9999.0"
WHAT_IT_READS = ("Makefile", "pyproject.toml", "requirements.txt", "README.md", "LICENSE")
# ``python3`` of the oldest host: its ``-m venv`` brings the oldest pip.
PYTHON = """\
#!/bin/sh
set -e
"{python}" "$@"
for venv; do :; done
"$venv/bin/python" -m pip install --quiet --no-index --find-links "{wheels}" \\
    --require-hashes --requirement "{requirements}"
"""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A copy of what the installation reads, on a host of the oldest kind.

    Attributes:
        directory: of the copy.
        python: its ``python3``.
        newer: packages that were published since the lock was made.
    """

    directory: Path
    python: Path
    newer: Path

    def install(self) -> None:
        """Install by the project's own rule.

        Raises:
            HostFailure: the rule fails.
        """
        self._run("make", f"PYTHON={self.python}", ".venv/.complete")

    def pip(self, *arguments: str) -> str:
        """What the pip of the environment prints."""
        return self._run(".venv/bin/python", "-m", "pip", *arguments)

    def _run(self, *argv: str) -> str:
        usual = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        links = f"{usual.get('PIP_FIND_LINKS', '')} {self.newer}".strip()
        env = {**usual, "PIP_FIND_LINKS": links, "PIP_NO_COMPILE": "1", "HOME": str(Path.home())}
        command = Command(argv, cwd=self.directory, env=env, timeout=900)
        return LocalRunner().run(command).decode()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    directory, wheels, newer = (tmp_path / name for name in ("checkout", "wheels", "newer"))
    for place in (directory, newer):
        place.mkdir()
    for name in WHAT_IT_READS:
        shutil.copy(ROOT / name, directory)
    argv = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes")
    options = ("--requirement", str(OLDEST_PIP), "--dest", str(wheels))
    env = {**os.environ, "HOME": str(Path.home())}
    LocalRunner().run(Command((*argv, *options), env=env))
    python = tmp_path / "python3"
    text = PYTHON.format(python=sys.executable, wheels=wheels, requirements=OLDEST_PIP)
    python.write_text(text)
    python.chmod(0o755)
    for name in locked():
        publish(newer, name)
    return Checkout(directory, python, newer)


def locked() -> Mapping[str, str]:
    """Versions by name, those for other systems included."""
    text = (ROOT / "requirements.txt").read_text()
    return dict(re.findall(r"^([a-z0-9.-]+)==([^ ]+)", text, re.MULTILINE))


def publish(directory: Path, name: str) -> None:
    """Offer a release of a package that is newer than any real one."""
    stem = f"{name.replace('-', '_')}-{NEWER}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {NEWER}\nProvides-Extra: toml\n"
    wheel = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(directory / f"{stem}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{stem}.dist-info/METADATA", metadata)
        archive.writestr(f"{stem}.dist-info/WHEEL", wheel)
        archive.writestr(f"{stem}.dist-info/RECORD", "")


def test_the_oldest_pip_installs_the_lock_while_newer_releases_are_on_offer(
    checkout: Checkout,
) -> None:
    checkout.install()
    rows = json.loads(checkout.pip("list", "--format=json"))
    installed = {row["name"].lower().replace("_", "-"): row["version"] for row in rows}
    assert installed.pop("pip") == "23.0.1"
    assert installed.pop("twinkeel") == "0.1.0"
    assert {name: locked()[name] for name in installed} == installed
    assert checkout.pip("check").strip() == "No broken requirements found."


def test_a_resolver_that_may_look_beyond_the_lock_fails(checkout: Checkout) -> None:
    makefile = checkout.directory / "Makefile"
    text = makefile.read_text()
    assert "--no-deps" in text
    makefile.write_text(text.replace("--no-deps", ""))
    with pytest.raises(HostFailure, match="--require-hashes mode"):
        checkout.install()
