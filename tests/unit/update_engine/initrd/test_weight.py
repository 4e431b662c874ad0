"""The initrd carries every module that its init may import, and their libraries."""

import ast

from builder.sourcecode import Sources
from tests.checkout import ROOT

# Each brings compressors or a network stack along.
HEAVY = {"asyncio", "bz2", "lzma", "shutil", "socket", "ssl", "tempfile", "zipfile"}


def imported(name: str) -> set[str]:
    """Top-level names of what a module of this project imports, also inside functions."""
    path = ROOT.joinpath(*name.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = {item.name for node in nodes if isinstance(node, ast.Import) for item in node.names}
    named = {n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module is not None}
    return {one.partition(".")[0] for one in plain | named}


def test_no_module_of_the_initrd_brings_a_heavy_one() -> None:
    modules = Sources(ROOT).closure("update_engine.initrd.init")
    assert "hostio.disk.fat" in modules
    heavy = {(name, one) for name in modules for one in imported(name) & HEAVY}
    assert not heavy
