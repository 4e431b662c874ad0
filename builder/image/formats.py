"""The disk image in the formats that hypervisors and clouds take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from hostio.system.runner import Command, Runner
from osmodel.faults import InvalidInput


@dataclass(frozen=True, slots=True)
class Format:
    """A format that qemu-img writes.

    Attributes:
        name: as qemu-img calls it.
        suffix: of the file.
        options: of the format; each must make the bytes depend on the disk alone.
    """

    name: str
    suffix: str
    options: tuple[str, ...] = ()


FORMATS: Mapping[str, Format] = MappingProxyType(
    {"qcow2": Format("qcow2", "qcow2", ("compat=1.1", "cluster_size=65536"))}
)


def convert_command(disk: Path, out: Path, chosen: Format) -> Command:
    """The call that writes ``disk`` in another format.

    One coroutine and ordered writes: clusters lie in the order of the disk.
    """
    argv = ["qemu-img", "convert", "-q", "-f", "raw", "-O", chosen.name, "-m", "1"]
    if chosen.options:
        argv += ["-o", ",".join(chosen.options)]
    return Command([*argv, str(disk), str(out)], timeout=3600)


def make_format(tools: Runner, disk: Path, out: Path, name: str) -> None:
    """Write ``disk`` in the format ``name``.

    Raises:
        InvalidInput: no such format.
        HostFailure: qemu-img failed.
    """
    if name not in FORMATS:
        raise InvalidInput(f"no disk format {name!r}", hint=f"one of: {', '.join(FORMATS)}")
    out.unlink(missing_ok=True)
    tools.run(convert_command(disk, out, FORMATS[name]))
