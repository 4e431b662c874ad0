"""What touches the world outside a program goes through hostio; see its docstring."""

import ast
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.unit.project.named import PACKAGES

APPLICATIONS = [name for name in PACKAGES if name not in {"osmodel", "hostio"}]
MODULES = sorted(path for name in APPLICATIONS for path in (ROOT / name).rglob("*.py"))
IMPORTS = {
    "asyncio",
    "ctypes",
    "fcntl",
    "http.client",
    "multiprocessing",
    "requests",
    "select",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
    "urllib.request",
}
CALLS = {
    "chroot",
    "fdatasync",
    "fork",
    "fsync",
    "kill",
    "killpg",
    "lockf",
    "posix_spawn",
    "rename",
    "replace",
    "sync",
}
ALLOWED = {
    ("mirror/admission.py", "asyncio"),  # the server's own loop: aiohttp has no port of ours
    ("mirror/admission.py", "socket"),
    ("mirror/server.py", "asyncio"),
    ("mirror/server.py", "signal"),  # ends the server in order
    (
        "mirror/repository/publicfiles.py",
        "os.fsync",
    ),  # a payload, before its rename
    ("mirror/signing/keys.py", "os.fsync"),  # made exclusively, with its mode
    ("builder/machine/cli.py", "signal"),  # a guest ends with the command
    ("builder/packages/debs.py", "threading"),  # downloads side by side
    ("update_engine/initrd/init.py", "os.sync"),  # the last act before a restart
}


def effects(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {item.name for item in node.names} & IMPORTS
        elif isinstance(node, ast.ImportFrom) and node.module in IMPORTS:
            found.add(node.module)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os":
            found |= {f"os.{node.attr}"} if node.attr in CALLS else set()
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_application_touches_the_world_through_hostio(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    assert not {(name, effect) for effect in effects(path)} - ALLOWED


def test_every_exception_is_needed() -> None:
    found = {(str(p.relative_to(ROOT)), effect) for p in MODULES for effect in effects(p)}
    assert found >= ALLOWED
