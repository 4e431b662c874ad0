"""``locksmithctl``: the reboot lock of a group, as it was in 2014 and some more.

Exit status: 0 done; 1 it could not be done; 2 unknown subcommand or option.

Source: locksmith, ``locksmithctl/locksmithctl.go`` and ``help.go``.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from hostio.files.dropins import Merged, read_drop_ins
from hostio.files.statefiles import DurableFile
from hostio.keyvalue.keyfile import KeyFile
from hostio.keyvalue.port import KeyStore
from hostio.system.clock import SystemClock
from hostio.system.commandline import complain, run_program
from locksmith.commands import SUBCOMMANDS, Call, Subcommand, boots_of
from locksmith.core.effects import Me
from locksmith.core.goflags import Flag, Values, from_environment, parse
from locksmith.core.keys import GroupKeys
from locksmith.settings import DEFAULT_ENDPOINTS, Settings, with_flags
from locksmith.world import LocksmithWorld
from osmodel.faults import Fault, InvalidInput

NAME = "locksmithctl"
STATE = Path("/var/lib/locksmith")
EXIT_FAILED, EXIT_USAGE = 1, 2
_VERSION = "twinkeel"
_DEBUG = Flag("debug", "Print out debug information to stderr.", takes_value=False, default="false")
_SHOW_VERSION = Flag("version", "Print the version and exit.", takes_value=False, default="false")
FLAGS = (
    _DEBUG,
    Flag("endpoint", "etcd endpoint; repeat or separate by commas.",
         default=",".join(DEFAULT_ENDPOINTS)),
    Flag("etcd-cafile", "etcd CA file authentication."),
    Flag("etcd-certfile", "etcd cert file authentication."),
    Flag("etcd-keyfile", "etcd key file authentication."),
    Flag("etcd-password", "password for secure etcd communication."),
    Flag("etcd-username", "username for secure etcd communication."),
    Flag("group", "locksmith group."),
    _SHOW_VERSION,
)  # fmt: skip
Opened = Callable[[Settings], LocksmithWorld]


def run(
    words: Sequence[str],
    environment: Mapping[str, str],
    configured: Callable[[], Settings],
    opened: Opened,
    streams: tuple[TextIO, TextIO],
) -> int:
    """Run one command line and return its exit status.

    Args:
        words: behind the program's name.
        environment: for values of options.
        configured: reads the settings.
        opened: makes the world of the settings.
        streams: standard output and standard error.
    """
    out, err = streams
    try:
        given, rest = parse(words, FLAGS)
        flags = {**from_environment(environment, "LOCKSMITHCTL", FLAGS), **given}
    except InvalidInput as fault:
        err.write(f"{fault}\n")
        return EXIT_USAGE
    if flags.get(_SHOW_VERSION.name, ("false",))[-1] == "true":
        out.write(f"{NAME} version {_VERSION}\n")
        return 0
    name, *arguments = rest or ["help"]
    if name == "help":
        return _help(arguments, out)
    found = [one for one in SUBCOMMANDS if one.name == name]
    if not found:
        out.write(f"{NAME}: unknown subcommand: \"{name}\"\nRun '{NAME} help' for usage.\n")
        return EXIT_USAGE
    return _run_subcommand(found[0], arguments, flags, (configured, opened, err))


def _run_subcommand(
    command: Subcommand,
    words: Sequence[str],
    flags: Values,
    around: tuple[Callable[[], Settings], Opened, TextIO],
) -> int:
    configured, opened, err = around
    try:
        own, arguments = parse(words, command.flags)
    except InvalidInput as fault:
        err.write(f"{fault}\n")
        return EXIT_USAGE
    try:
        world = opened(with_flags(configured(), flags))
        return command.run(Call(world, own, arguments))
    except Fault as fault:
        hint = f"  {fault.hint}\n" if fault.hint else ""
        err.write(f"{NAME} {command.name}: {fault}\n{hint}")
        return EXIT_FAILED


def _help(arguments: Sequence[str], out: TextIO) -> int:
    if not arguments:
        out.write(_global_help())
        return 0
    found = [one for one in SUBCOMMANDS if one.name == arguments[0]]
    if not found:
        out.write(f"Unrecognized command: {arguments[0]}\n")
        return EXIT_FAILED
    command = found[0]
    options = "OPTIONS:\n" + _options(command.flags) + "\n" if command.flags else ""
    out.write(
        f"NAME:\n\t{command.name} - {command.summary}\n\n"
        f"USAGE:\n\t{NAME} {command.name} {command.usage}\n\n"
        f'{options}For help on global options run "{NAME} help"\n'
    )
    return 0


def _global_help() -> str:
    width = max(len(one.name) for one in SUBCOMMANDS) + 2
    names = [("help", "Show a list of commands or help for one command")]
    names += [(one.name, one.summary) for one in SUBCOMMANDS]
    listed = "".join(f"\t{name:{width}}{text}\n" for name, text in sorted(names))
    return (
        f"NAME:\n\t{NAME} - Manage the cluster wide reboot lock.\n\n"
        f"USAGE:\n\t{NAME} [global options] <command> [command options] [arguments...]\n\n"
        f"VERSION:\n\t{_VERSION}\n\nCOMMANDS:\n{listed}\n"
        f"GLOBAL OPTIONS:\n{_options(FLAGS)}\n"
        "Global options can also be configured via upper-case environment variables prefixed"
        ' with "LOCKSMITHCTL_".\n\n'
        f'Run "{NAME} help <command>" for more details on a specific command.\n'
    )


def _options(flags: Sequence[Flag]) -> str:
    return "".join(f"\t--{one.name}={one.default}\t{one.usage}\n" for one in flags)


def read_settings(root: Path = Path("/")) -> Merged[Settings]:
    """The settings of this machine; what cannot be used is among the problems."""
    return read_drop_ins(Settings, "locksmith", root=root)


def _configured() -> Settings:
    found = read_settings()
    for problem in found.problems:
        complain(NAME, InvalidInput(problem.text, hint=problem.hint))
    return found.values


def local_world(settings: Settings) -> LocksmithWorld:
    """This machine.

    Raises:
        InvalidInput: the group has no name that can be used.
    """
    clock = SystemClock()

    def store() -> KeyStore:
        if not settings.endpoints:
            return KeyFile(STATE / "store.json", clock)
        # Most calls on a machine without etcd need neither HTTP nor TLS.
        from hostio.keyvalue.etcdgateway import EtcdAccess, EtcdGateway  # noqa: PLC0415 - see above

        etcd = replace(settings.etcd, endpoints=settings.endpoints)
        access = EtcdAccess(
            etcd.endpoints, etcd.ca_file, etcd.cert_file, etcd.key_file, etcd.username,
            etcd.password,
        )  # fmt: skip
        return EtcdGateway(access, clock)

    asked = DurableFile(STATE / "asked.json", mode=0o644)
    me = Me(
        _first_line(Path("/etc/machine-id")),
        os.uname().nodename,
        _first_line(Path("/proc/sys/kernel/random/boot_id")),
        boots_of(asked.read()),
    )
    person = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    return LocksmithWorld(
        store=store,
        keys=GroupKeys(settings.reboot.group),
        me=me,
        asked=asked,
        clock=clock,
        draw=random.SystemRandom().random,
        out=sys.stdout,
        err=sys.stderr,
        is_terminal=sys.stdout.isatty(),
        ask=_ask if person else None,
    )


def _ask(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline()


def _first_line(path: Path) -> str:
    """A file's first line, or nothing."""
    try:
        return path.read_text(encoding="ascii", errors="replace").partition("\n")[0].strip()
    except OSError:
        return ""


def main() -> int:
    """Entry point."""
    return run_program(
        NAME,
        lambda: run(sys.argv[1:], os.environ, _configured, local_world, (sys.stdout, sys.stderr)),
    )
