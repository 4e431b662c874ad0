"""The options of ``boot-image``, and the hardware they ask for."""

from __future__ import annotations

import argparse
from pathlib import Path

from builder.machine.boards import TRAITS, Board
from builder.machine.hardware import Accel, Hardware
from builder.machine.network import DEFAULT_NETWORK, Forward, parse_network
from hostio.net.localsocket import free_port, port_is_taken
from osmodel.faults import InvalidInput

_USUAL = {"memory": 1024, "cpus": 2}


def add_options(top: argparse.ArgumentParser) -> None:
    """Add them to the command line."""
    option = top.add_argument
    option("image", type=Path, help="output directory of build-image")
    option("--machine", choices=[*Board], help="default: what the image is made for")
    option("--memory", type=int, metavar="MIB", help=f"memory (default {_USUAL['memory']})")
    option("--cpus", type=int, metavar="N", help=f"processors (default {_USUAL['cpus']})")
    option("--disk-size", type=int, default=8, metavar="GIB", help="disk (default 8)")
    option("--accel", choices=["auto", *Accel], default="auto", help="default: auto, by a trial")
    option("--keep", type=Path, metavar="DIR", help="keep the machine there; start it again later")
    option("--exit-when-ready", action="store_true", help="shut it down once it is ready")
    option("--deadline", type=float, metavar="SECONDS", help="how long to wait until it is ready")
    option("--console", action="store_true", help="print the serial console as it comes")
    option("--json", action="store_true", help="one event per line, for programs")
    _add_network(top)
    _add_contents(top)


def _add_network(top: argparse.ArgumentParser) -> None:
    option = top.add_argument
    option("--ssh-port", type=int, metavar="PORT", help="port of 127.0.0.1 (default: a free one)")
    option("--network", default=str(DEFAULT_NETWORK), metavar="NET", help="the guest's network")
    option(
        "--forward",
        action="append",
        default=[],
        metavar="ADDRESS:PORT=HOSTPORT",
        help="let the guest reach a port of 127.0.0.1, e.g. 10.0.2.100:80=8080",
    )


def _add_contents(top: argparse.ArgumentParser) -> None:
    """What the guest finds when it starts."""

    def several(name: str, metavar: str, text: str) -> None:
        top.add_argument(name, action="append", default=[], metavar=metavar, help=text)

    several("--medium", "FILE", "a disk image the guest can read, e.g. a configuration drive")
    several("--credential", "NAME=FILE", "a systemd credential")
    several("--smbios", "NAME=VALUE", "a name of dmidecode(8), e.g. system-manufacturer=Me")
    several("--kernel-arg", "WORD", "a word for the end of the kernel command line")


def hardware(options: argparse.Namespace, accel: Accel, board: Board) -> Hardware:
    """What the options ask for.

    Raises:
        InvalidInput: a size out of range, a port in use, a malformed value, a missing
            file, or something the machine cannot have.
    """
    _check_sizes(options, board)
    if options.ssh_port is not None and port_is_taken(options.ssh_port):
        raise InvalidInput(
            f"--ssh-port: port {options.ssh_port} is in use",
            hint="leave the option out to get a free one",
        )
    network = parse_network(options.network)
    wanted = Hardware(
        accel=accel,
        ssh_port=options.ssh_port or free_port(),
        memory_mib=options.memory or _USUAL["memory"],
        cpus=options.cpus or _USUAL["cpus"],
        forwards=tuple(Forward.parse(text, network) for text in options.forward),
        credentials=_read(_pairs("credential", options.credential)),
        network=network,
        media=tuple(_medium(Path(path)) for path in options.medium),
        smbios=_pairs("smbios", options.smbios),
        kernel_args=tuple(options.kernel_arg),
        board=board,
    )
    wanted.check()
    return wanted


def _check_sizes(options: argparse.Namespace, board: Board) -> None:
    for name, least in (("memory", 256), ("cpus", 1), ("disk_size", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise InvalidInput(f"--{name.replace('_', '-')}: at least {least}, got {value}")
    traits = TRAITS[board]
    for name, fixed in (("memory", traits.memory_mib), ("cpus", traits.cpus)):
        if fixed and getattr(options, name) not in (None, fixed):
            raise InvalidInput(f"--{name}: {board} always has {fixed}")


def _pairs(option: str, texts: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise InvalidInput(f"--{option}: expected NAME=..., got {text!r}")
        pairs[name] = value
    return pairs


def _read(files: dict[str, str]) -> dict[str, bytes]:
    try:
        return {name: Path(path).read_bytes() for name, path in files.items()}
    except OSError as error:
        raise InvalidInput(f"--credential: {error.filename}: {error.strerror}") from error


def _medium(path: Path) -> Path:
    if not path.is_file():
        raise InvalidInput(f"--medium: there is no file {path}")
    return path.resolve()
