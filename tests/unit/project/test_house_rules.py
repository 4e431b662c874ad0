"""Rules of the house that no linter knows."""

import ast
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.unit.project.named import PACKAGES

MODULES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
VAGUE = {"utils", "util", "helpers", "common", "misc", "base", "manager", "types", "lib"}
ENTRY_POINTS = {"cli.py", "client.py", "local.py", "bootsteps.py", "demo.py"}
ADAPTERS = {"LocalRunner", "LocalSpawner", "SystemClock", "HttpFetcher", "SystemBus"}


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


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_only_entry_points_build_real_adapters(path: Path) -> None:
    if path.name in ENTRY_POINTS or path.is_relative_to(ROOT / "hostio"):
        return
    if path.is_relative_to(ROOT / "update_engine" / "initrd") and path.name == "init.py":
        return  # the initrd's entry point
    names = {
        node.id
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name)
    }
    assert not names & ADAPTERS


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_bare_exception_outside_a_daemon_loop(path: Path) -> None:
    caught = [
        handler.lineno
        for handler in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(handler, ast.ExceptHandler)
        and (handler.type is None or ast.unparse(handler.type) == "Exception")
    ]
    assert not caught or path.name in {"service.py", "init.py"}
