"""Which libraries programs need to run, found in a root tree by their ELF headers.

Follows what the dynamic loader follows: the interpreter, DT_NEEDED, and the
directories of DT_RUNPATH before the usual ones. Libraries that a program opens
by name at run time do not show there and must be asked for.

Source: ld.so(8); System V ABI, "Dynamic Linking".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import StringTableSection
from elftools.elf.segments import InterpSegment

from osmodel.faults import InvalidInput

TRIPLETS = {"x86_64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
_MOST_LINKS = 40  # as the kernel follows


@dataclass(frozen=True, slots=True)
class Needs:
    """What one ELF file asks of the dynamic loader.

    Attributes:
        interpreter: absolute path, or ``None`` for a library.
        libraries: names, in order.
        runpath: directories to look in first; may start with ``$ORIGIN``.
    """

    interpreter: str | None
    libraries: tuple[str, ...]
    runpath: tuple[str, ...]


def read_needs(path: Path) -> Needs:
    """Read the headers of an ELF file.

    Raises:
        InvalidInput: not an ELF file.
    """
    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            interpreters = [
                segment.get_interp_name()
                for segment in elf.iter_segments()
                if isinstance(segment, InterpSegment)
            ]
            libraries = _dynamic_strings(elf, "DT_NEEDED")
            runpaths = _dynamic_strings(elf, "DT_RUNPATH")
    except ELFError as error:
        raise InvalidInput(f"{path} is not an ELF file: {error}") from error
    interpreter = str(interpreters[0]) if interpreters else None
    return Needs(interpreter, tuple(libraries), tuple(":".join(runpaths).split(":")))


def _dynamic_strings(elf: ELFFile, kind: str) -> list[str]:
    found: list[str] = []
    for section in elf.iter_sections():
        if isinstance(section, DynamicSection):
            strings = elf.get_section(section["sh_link"])
            assert isinstance(strings, StringTableSection), "a dynamic section links to strings"
            tags = section.iter_tags(kind)
            found += [strings.get_string(tag["d_val"]) for tag in tags]
    return found


def closure(root: Path, programs: Iterable[str], triplet: str) -> dict[str, Path]:
    """Everything that must be beside ``programs`` for them to start.

    Args:
        root: tree to look in.
        programs: paths below the root, without leading slash.
        triplet: name of the architecture's library directory.

    Returns:
        The file in the tree for each path the loader will use; the programs
        are in it.

    Raises:
        InvalidInput: a library is not in the tree; names it and who needs it.
    """
    usual = (f"usr/lib/{triplet}", "usr/lib", "usr/lib64")
    found: dict[str, Path] = {}
    todo = list(programs)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        file = _resolve(root, name)
        if file is None:
            raise InvalidInput(f"/{name} is not in the tree")
        found[name] = file
        needs = read_needs(file)
        if needs.interpreter:
            todo.append(_merged(needs.interpreter.lstrip("/")))
        directories = (*_directories(needs, name), *usual)
        todo += [_find(root, library, name, directories) for library in needs.libraries]
    return found


def _directories(needs: Needs, name: str) -> list[str]:
    origin = str(PurePosixPath("/", name).parent)
    return [
        _merged(entry.replace("$ORIGIN", origin).replace("${ORIGIN}", origin).strip("/"))
        for entry in needs.runpath
        if entry
    ]


def _find(root: Path, library: str, user: str, directories: Iterable[str]) -> str:
    for directory in directories:
        name = f"{directory.rstrip('/')}/{library}"
        if _resolve(root, name) is not None:
            return name
    raise InvalidInput(f"/{user} needs {library}, which is not in the tree")


def _merged(path: str) -> str:
    """A path on a system where /bin, /sbin and /lib are links into /usr."""
    top = path.partition("/")[0]
    return f"usr/{path}" if top in {"bin", "sbin", "lib", "lib64"} else path


def _resolve(root: Path, name: str) -> Path | None:
    """The file behind a path of the tree; links are followed inside the tree."""
    for _ in range(_MOST_LINKS):
        path = root / name
        if not path.is_symlink():
            return path if path.is_file() else None
        target = PurePosixPath("/", name).parent / path.readlink()
        parts: list[str] = []
        for part in target.parts[1:]:
            if part == "..":
                parts = parts[:-1]
            else:
                parts.append(part)
        name = _merged("/".join(parts))
    return None
