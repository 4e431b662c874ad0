"""Collect and compile the Python modules that a program in the initrd loads.

Run by the tools tree's Python, which has the version of the image's: it reads
sources of that version and writes byte code for it, which is the same on every
architecture. Extension modules are found by the names that they have on the
image's. Only the standard library may be imported here.

The closure is what an import executes: for the standard library the imports at
the top of each module, for our own packages those inside functions as well.
All imports anywhere would be the whole standard library.
"""

from __future__ import annotations

import importlib.util
import json
import marshal
import modulefinder
import sys
from importlib import machinery
from pathlib import Path
from types import CodeType

HOME = "usr/lib/twinkeel/python"
# Codecs are found by name at run time; the last is that of partition labels.
_ALWAYS = (
    "encodings",
    "encodings.utf_8",
    "encodings.ascii",
    "encodings.latin_1",
    "encodings.utf_16_le",
)
# Used when present, not needed: OpenSSL's hashes beside the built-in ones.
_EXCLUDED = ("_hashlib",)
_PYC_HEAD = importlib.util.MAGIC_NUMBER + (0b01).to_bytes(4, "little")  # unchecked hash


class Finder(modulefinder.ModuleFinder):
    """Follows imports the way described above.

    Args:
        path: directories to look in.
        own: top-level packages whose functions are followed, too.
    """

    def __init__(self, path: list[str], own: set[str]) -> None:
        super().__init__(path, excludes=[*_EXCLUDED, *_frozen()])
        self._own = own

    def scan_code(self, co: CodeType, m: modulefinder.Module) -> None:
        """Note the imports of a module's code."""
        if str(vars(m)["__name__"]).partition(".")[0] not in self._own:
            outermost = tuple(None if isinstance(c, CodeType) else c for c in co.co_consts)
            co = co.replace(co_consts=outermost)
        super().scan_code(co, m)


def _frozen() -> list[str]:
    """Modules inside the interpreter itself.

    ``os`` is one of them, but Python finds its library by that file.
    """
    names = set(sys.stdlib_module_names) - {"os"}
    names |= {"importlib._bootstrap", "importlib._bootstrap_external"}
    return [name for name in sorted(names) if machinery.FrozenImporter.find_spec(name)]


def _look_for_extensions_of(triplet: str) -> None:
    """Make imports find extension modules of another architecture, by their names."""
    version = f"{sys.version_info[0]}{sys.version_info[1]}"
    suffixes = [f".cpython-{version}-{triplet}.so", ".abi3.so", ".so"]
    hook = machinery.FileFinder.path_hook(
        (machinery.ExtensionFileLoader, suffixes),
        (machinery.SourceFileLoader, machinery.SOURCE_SUFFIXES),
    )
    sys.path_hooks[:] = [hook]
    sys.path_importer_cache.clear()


def collect(root: Path, triplet: str, name: str, out: Path) -> list[str]:
    """Write the byte code of ``name`` and all it loads below ``out``.

    Args:
        root: tree with the sources.
        triplet: of the tree's architecture, as Debian writes it.
        name: module to start from.
        out: gets files at the paths the modules have in ``root``.

    Returns:
        Paths of extension modules in ``root``, which the caller copies.
    """
    library = f"usr/lib/python{sys.version_info[0]}.{sys.version_info[1]}"
    _look_for_extensions_of(triplet)
    places = [root / HOME, root / library, root / library / "lib-dynload"]
    finder = Finder([str(place) for place in places], {name.partition(".")[0], "hostio", "osmodel"})
    for module in (*_ALWAYS, name):
        package, _, last = module.rpartition(".")
        finder.import_hook(package or module, None, [last] if package else None)
    if name not in finder.modules:
        raise SystemExit(f"no module {name} below {root}")
    extensions = []
    for _, found in sorted(finder.modules.items()):
        file = vars(found)["__file__"]
        if file is None:
            continue  # built into the interpreter
        path = Path(file).relative_to(root)
        if path.suffix == ".py":
            _compile(root, path, out)
        else:
            extensions.append(str(path))
    return extensions


def _compile(root: Path, path: Path, out: Path) -> None:
    source = (root / path).read_bytes()
    code = compile(source, f"/{path}", "exec", dont_inherit=True, optimize=0)
    target = out / path.with_suffix(".pyc")
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = importlib.util.source_hash(source)
    target.write_bytes(_PYC_HEAD + digest + marshal.dumps(code))


if __name__ == "__main__":
    json.dump(collect(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])), sys.stdout)
