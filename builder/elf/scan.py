"""What the ELF files of a root tree say about themselves.

Only headers are read; what follows from them is decided in ``builder.elf.closure``,
``builder.elf.needed`` and ``builder.elf.hardening``.

Source: System V ABI, "Program Loading and Dynamic Linking"; ld.so(8); UAPI.9
"dlopen() metadata for ELF files".
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment

from osmodel.faults import InvalidInput

FILE = "scan.json"
_MAGIC = b"\x7fELF"
_BIND_NOW = 0x8  # DF_BIND_NOW
_NOW = 0x1  # DF_1_NOW
_PIE = 0x08000000  # DF_1_PIE
_EXECUTE = 0x1  # PF_X
_DLOPEN_JSON = re.compile(rb"\[\{.*?\}\]", re.DOTALL)
# Modules are not loaded by ld.so; the kernel checks them itself.
_NOT_PROGRAMS = ("usr/lib/modules/", "usr/lib/firmware/")


@dataclass(frozen=True, slots=True)
class Elf:
    """One ELF file.

    Attributes:
        machine: ``x64``, ``AArch64`` and so on, as pyelftools names it.
        interpreter: absolute path, empty for a library.
        needed: names of libraries that must be there.
        optional: names of libraries it may open at run time.
        runpath: where it looks first; may hold ``$ORIGIN``.
        soname: its own name as a library, or empty.
        program: whether it can be started.
        pie: a program that can be loaded anywhere.
        relro: ``full``, ``partial`` or ``none``.
        nx: its stack is not executable.
        canary: its functions check the stack.
    """

    machine: str
    interpreter: str = ""
    needed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    soname: str = ""
    program: bool = False
    pie: bool = False
    relro: str = "none"
    nx: bool = False
    canary: bool = False


def make(root: Path, out: Path) -> None:
    """Scan a root tree and keep what was found in ``out``; see :func:`scan`."""
    (out / FILE).write_text(to_json(scan(root)))


def scan(root: Path, names: Iterable[str] | None = None) -> dict[str, Elf]:
    """Read every ELF file below ``root``.

    Args:
        root: a root tree.
        names: paths below ``root`` to look at; all of them when ``None``.

    Returns:
        What was found, by path below ``root``.

    Raises:
        InvalidInput: a file begins like an ELF file and is not one.
    """
    found = {}
    for name in _files(root) if names is None else names:
        path = root / name
        if path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as file:
            if file.read(4) == _MAGIC:
                found[name] = _read(file, path)
    return found


def read(path: Path) -> Elf:
    """Read one file that must be an ELF file.

    Raises:
        InvalidInput: it is none, or damaged.
    """
    with path.open("rb") as file:
        return _read(file, path)


def to_json(found: Mapping[str, Elf]) -> str:
    """The result of a scan as text; the inverse of :func:`from_json`."""
    return json.dumps({name: asdict(elf) for name, elf in sorted(found.items())})


def from_json(text: str) -> dict[str, Elf]:
    """A scan that was kept as text by this same code."""
    return {name: _elf(row) for name, row in json.loads(text).items()}


def _elf(row: dict[str, Any]) -> Elf:
    # JSON has no tuples.
    values: Any = {key: tuple(v) if isinstance(v, list) else v for key, v in row.items()}
    return Elf(**values)


def _files(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = os.path.relpath(Path(folder) / name, root)
            if not path.startswith(_NOT_PROGRAMS):
                yield path


def _read(file: BinaryIO, path: Path) -> Elf:
    try:
        elf = ELFFile(file)
        facts = _Facts()
        for segment in elf.iter_segments():
            facts.add(segment)
        file.seek(0)
        content = file.read()
        return facts.finished(elf, content, executable=bool(path.stat().st_mode & 0o111))
    except (ELFError, UnicodeDecodeError, ValueError, KeyError) as error:
        raise InvalidInput(f"{path}: damaged ELF file: {error}") from error


class _Facts:
    """Collects what the segments of one file say."""

    def __init__(self) -> None:
        self.interpreter = ""
        self.strings: dict[str, list[str]] = {}
        self.now = False
        self.pie_flag = False
        self.relro = False
        self.nx = False

    def add(self, segment: object) -> None:
        """Take in one segment."""
        if isinstance(segment, InterpSegment):
            self.interpreter = str(segment.get_interp_name())
        elif isinstance(segment, DynamicSegment):
            self._add_tags(segment)
        kind = segment["p_type"]  # type: ignore[index] # a Segment; its class is not exported
        self.relro |= kind == "PT_GNU_RELRO"
        if kind == "PT_GNU_STACK":
            self.nx = not segment["p_flags"] & _EXECUTE  # type: ignore[index] # as above

    def _add_tags(self, segment: DynamicSegment) -> None:
        for tag in segment.iter_tags():
            kind = str(tag.entry.d_tag)
            if kind in {"DT_NEEDED", "DT_RPATH", "DT_RUNPATH", "DT_SONAME"}:
                value = {
                    "DT_NEEDED": "needed",
                    "DT_RPATH": "rpath",
                    "DT_RUNPATH": "runpath",
                    "DT_SONAME": "soname",
                }[kind]
                self.strings.setdefault(kind, []).append(str(getattr(tag, value)))
            elif kind == "DT_BIND_NOW":
                self.now = True
            elif kind == "DT_FLAGS":
                self.now |= bool(tag.entry.d_val & _BIND_NOW)
            elif kind == "DT_FLAGS_1":
                self.now |= bool(tag.entry.d_val & _NOW)
                self.pie_flag |= bool(tag.entry.d_val & _PIE)

    def finished(self, elf: ELFFile, content: bytes, *, executable: bool) -> Elf:
        """Everything about the file."""
        kind = elf["e_type"]
        paths = self.strings.get("DT_RUNPATH") or self.strings.get("DT_RPATH") or []
        relro = ("full" if self.now else "partial") if self.relro else "none"
        soname = self.strings.get("DT_SONAME", [""])[0]
        starts = kind == "ET_EXEC" or self.pie_flag or bool(self.interpreter)
        return Elf(
            machine=str(elf.get_machine_arch()),
            # A library may name an interpreter so that it can print its version.
            interpreter="" if soname else self.interpreter,
            needed=tuple(self.strings.get("DT_NEEDED", [])),
            optional=_optional(elf),
            runpath=tuple(part for path in paths for part in path.split(":") if part),
            soname=soname,
            program=starts and not soname and executable,
            pie=kind == "ET_DYN",
            relro=relro,
            nx=self.nx,
            canary=b"__stack_chk_fail" in content,
        )


def _optional(elf: ELFFile) -> tuple[str, ...]:
    section = elf.get_section_by_name(".note.dlopen")
    if section is None:
        return ()
    names: list[str] = []
    for text in _DLOPEN_JSON.findall(section.data()):
        for feature in json.loads(text):
            names += [str(name) for name in feature.get("soname", [])]
    return tuple(dict.fromkeys(names))
