"""Rules of the house that no linter knows."""

import ast
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.unit.project.named import PACKAGES

MODULES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
VAGUE = {"utils", "util", "helpers", "common", "misc", "base", "manager", "types", "lib"}
# The programs, and what they share to build their adapters.
ENTRY_POINTS = {
    "builder/local.py",
    "builder/flash/cli.py",
    "builder/machine/cli.py",
    "mirror/cli.py",
    "update_engine/client.py",
    "update_engine/local.py",
    "update_engine/initrd/init.py",
    "update_engine/initrd/bootlog.py",  # mounts the ESP only where a slot is to be marked
    "locksmith/cli.py",
    "cloud_config/apply/machine.py",
    "cloud_config/bootsteps.py",
    "cloud_config/cli.py",
}
# Adapters over data that are given, not over the machine.
OVER_PORTS = {"ResumingStream"}
OVER_FILES = {
    ("builder/machine/videocore.py", "FileBlockDevice"),  # an image, as a board's firmware sees it
    ("builder/packages/debs.py", "DirectoryFetcher"),  # a mirror that is a directory
}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_module_fits_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_function_fits_on_one_screen(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = [f.name for f in functions if body_lines(f) > 50]
    assert not long


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines below the docstring."""
    assert function.end_lineno is not None
    first = function.body[0]
    if ast.get_docstring(function) is not None and first.end_lineno is not None:
        return function.end_lineno - first.end_lineno
    return function.end_lineno - function.lineno


def test_names_say_what_is_inside() -> None:
    assert not {path.stem for path in MODULES} & VAGUE


def classes_of_hostio() -> list[ast.ClassDef]:
    trees = (
        ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "hostio").rglob("*.py")
    )
    return [node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]


def is_port(item: ast.ClassDef) -> bool:
    return any(ast.unparse(one).startswith("Protocol") for one in item.bases)


def public_methods(item: ast.ClassDef) -> set[str]:
    functions = [n for n in item.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {one.name for one in functions if not one.name.startswith("_")}


def adapters() -> set[str]:
    """Every class of hostio that has all methods of one of its ports."""
    ports = [
        found for one in classes_of_hostio() if is_port(one) and (found := public_methods(one))
    ]
    return {
        one.name
        for one in classes_of_hostio()
        if not is_port(one) and any(port and port <= public_methods(one) for port in ports)
    } - OVER_PORTS


ADAPTERS = adapters()


def test_the_adapters_are_found() -> None:
    known = {
        "LocalRunner",
        "SystemClock",
        "HttpFetcher",
        "BusConnection",
        "MountedEsp",
        "KernelMounts",
    }
    assert known <= ADAPTERS


def test_every_entry_point_exists() -> None:
    assert {str(path.relative_to(ROOT)) for path in MODULES} >= ENTRY_POINTS


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_only_entry_points_build_real_adapters(path: Path) -> None:
    if named(path) in ENTRY_POINTS or path.is_relative_to(ROOT / "hostio"):
        return
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not {(named(path), one) for one in calls & ADAPTERS} - OVER_FILES


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_bare_exception_outside_a_daemon_loop(path: Path) -> None:
    caught = [
        handler.lineno
        for handler in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(handler, ast.ExceptHandler)
        and (handler.type is None or ast.unparse(handler.type) == "Exception")
    ]
    assert not caught or path.name in {"service.py", "init.py"}
