"""What exists in this repository by name, and the names that its texts use."""

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.checkout import ROOT

PACKAGES = (
    "osmodel",
    "hostio",
    "builder",
    "mirror",
    "update_engine",
    "locksmith",
    "fleet",
    "cloud_config",
)
CODE = (*PACKAGES, "tests", "bench")
PLACES = (*CODE, "docs", "images", "setup", "typings")


@dataclass(frozen=True, slots=True)
class Module:
    """What a module has at its top, and what its classes have."""

    path: Path
    tree: ast.Module
    names: frozenset[str]
    members: dict[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Text:
    """A text for people: a document, a docstring or a comment."""

    where: str
    text: str
    module: str = ""


@functools.cache
def modules() -> dict[str, Module]:
    """All modules by their dotted names."""
    found = {}
    for top in CODE:
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            tree = ast.parse(path.read_text(encoding="utf-8"))
            members = {
                node.name: frozenset(_bound(node))
                for node in ast.walk(tree)
                if isinstance(node, ast.ClassDef)
            }
            found[name] = Module(path, tree, frozenset(_bound(tree)), members)
    return found


def _bound(scope: ast.Module | ast.ClassDef | ast.FunctionDef) -> Iterator[str]:
    """Names that a module or a class binds, at any depth but not inside its functions."""
    for node in scope.body:
        yield from _bound_by(node)


def _bound_by(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.Import() | ast.ImportFrom():
            yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
        case ast.AnnAssign() | ast.Assign():
            names = (n for n in ast.walk(node) if isinstance(n, ast.Name))
            yield from (name.id for name in names if isinstance(name.ctx, ast.Store))
        case _:
            inner = (n for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt))
            yield from (name for statement in inner for name in _bound_by(statement))


@functools.cache
def tests() -> frozenset[str]:
    """Names of all test functions and test modules."""
    found = set()
    for name, module in modules().items():
        last = name.rpartition(".")[2]
        if last.startswith("test_"):
            found.add(last)
            functions = (n for n in ast.walk(module.tree) if isinstance(n, ast.FunctionDef))
            found.update(f.name for f in functions if f.name.startswith("test_"))
    return frozenset(found)


@functools.cache
def classes() -> frozenset[str]:
    """Names of all classes, ours and those we import."""
    ours = {name for module in modules().values() for name in module.members}
    return frozenset(ours | {name for module in modules().values() for name in module.names})


def exists(dotted: str) -> bool:
    """Whether a dotted name of ours is a module, or something in one."""
    known = modules()
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        module = known.get(".".join(parts[:length]))
        if module is not None:
            return _has(module, parts[length:])
    return False


def _has(module: Module, parts: list[str]) -> bool:
    if not parts:
        return True
    first, *more = parts
    if first not in module.names:
        return False
    members = module.members.get(first)
    return members is None or all(name in members for name in more[:1])


@functools.cache
def documents() -> tuple[Text, ...]:
    """All documents."""
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").glob("*.md")]
    return tuple(
        Text(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
        for path in sorted(paths)
    )


@functools.cache
def docstrings() -> tuple[Text, ...]:
    """All docstrings, those of attributes included, and all comments."""
    found = []
    for name, module in modules().items():
        where = str(module.path.relative_to(ROOT))
        texts = [
            node.value.value
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ]
        comments = re.findall(r"(?m)(?:^|\s)#\s(.*)$", module.path.read_text(encoding="utf-8"))
        found += [Text(where, text, name) for text in (*texts, *comments)]
    return tuple(found)
