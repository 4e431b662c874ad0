"""``update-ctl``: see, check, install, explain and take back updates of this machine.

Slow imports (cryptography, TUF, HTTP) happen only in the verbs that need them;
``status`` is asked by other programs and must be cheap.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from hostio.files.statefiles import DirectoryArchive, DurableFile, VolatileFile, locked
from osmodel.faults import Fault, HostFailure, InvalidInput
from osmodel.hostidentity import PATH as IDENTITY
from osmodel.hostidentity import HostIdentity, identify_host
from update_engine.configuration import Configuration, read_configuration
from update_engine.core.preflight import Blocked
from update_engine.output import (
    ProgressLine,
    show_configuration,
    show_explanation,
    show_firmware,
    show_result,
    show_status,
)
from update_engine.store import Memory, Progress
from update_engine.world import Releases, World

if TYPE_CHECKING:
    from hostio.disk.esp import Esp
    from hostio.disk.systemdisk import SystemDisk
    from update_engine.firmware import Firmware
    from update_engine.install.sources import Source
    from update_engine.worker import Result

STATE = Path("/var/lib/update-engine")
RUN = Path("/run/update-engine")
TRUST_ROOT = Path("/usr/lib/twinkeel/trust/root.json")

EXIT_NOTHING_NEW = 10
EXIT_BLOCKED = 11
EXIT_LATER = 0


def parser() -> argparse.ArgumentParser:
    """The command line; manual page and completions come from it too."""
    top = argparse.ArgumentParser(
        prog="update-ctl",
        description="See, check, install, explain and take back updates of this machine.",
        epilog="Exit status: 0 done; 10 check found nothing newer; 11 not possible at this time; "
        "2 wrong input; 3 untrusted data; 74 this machine failed; 75 try again later.",
    )
    verbs = top.add_subparsers(dest="verb", required=True)
    for name, text in (
        ("status", "what runs, what is installed, what failed"),
        ("check", "ask the repository for a newer version; installs nothing"),
        ("apply", "install the newest version; it starts at the next reboot"),
        ("why", "explain the version that runs, and why there is no other"),
        ("rollback", "start the other version at the next reboot"),
        ("config", "print the settings and the file each one comes from"),
    ):
        verb = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        verb.add_argument("--json", action="store_true", help="print one line of JSON")
        verb.add_argument("-v", "--verbose", action="store_true", help="say each step")
        if name in ("apply", "rollback"):
            verb.add_argument("--reboot", action="store_true", help="reboot when it is done")
        if name == "apply":
            verb.add_argument("--payload", type=Path, metavar="FILE", help="install from a file")
            verb.add_argument(
                "--retry", metavar="VERSION", help="let a quarantined version try again"
            )
            verb.add_argument(
                "--scheduled",
                action="store_true",
                help="as the timer does: end quietly while backing off or turned off",
            )
    _add_firmware(verbs)
    return top


def _add_firmware(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "a board's own boot files: compare them with the image's, or replace them"
    verb = verbs.add_parser(
        "firmware",
        help=text,
        description=f"{text[0].upper()}{text[1:]}. They belong to no slot and change only on"
        " request. Do not cut the power during an update of them.",
    )
    verb.add_argument("action", choices=("status", "update"))
    verb.add_argument(
        "files", nargs="*", metavar="FILE", help="replace just these; config.txt only if named"
    )
    verb.add_argument("--json", action="store_true", help="print one line of JSON")
    verb.add_argument("-v", "--verbose", action="store_true", help="say each step")


def run(
    arguments: Sequence[str],
    world: World,
    configuration: Configuration,
    out: TextIO = sys.stdout,
) -> int:
    """Run one verb and return the exit status."""
    options = parser().parse_args(arguments)
    verbs: dict[str, Callable[[], int]] = {
        "status": lambda: _status(options, world, out),
        "check": lambda: _check(options, world, out),
        "apply": lambda: _apply(options, world, out),
        "why": lambda: _why(options, world, out),
        "rollback": lambda: _rollback(options, world, out),
        "firmware": lambda: _firmware(options, world, out),
        "config": lambda: show_configuration(configuration.lines(), out, as_json=options.json),
    }
    try:
        return verbs[options.verb]()
    except Fault as fault:
        complain(fault)
        return fault.exit_status


def complain(fault: Fault) -> None:
    """Tell a person what went wrong and what helps."""
    sys.stderr.write(f"update-ctl: {fault}\n")
    if fault.hint:
        sys.stderr.write(f"  {fault.hint}\n")


def _status(options: argparse.Namespace, world: World, out: TextIO) -> int:
    from update_engine.status import status_of  # noqa: PLC0415 - verbs load what they need

    return show_status(status_of(world), out, as_json=options.json)


def _why(options: argparse.Namespace, world: World, out: TextIO) -> int:
    from update_engine.core.explanation import Situation, explain  # noqa: PLC0415 - as above
    from update_engine.status import status_of  # noqa: PLC0415 - as above

    status = status_of(world)
    situation = Situation(
        status.version,
        status.root_hash,
        status.health,
        status.failed_check,
        world.settings.updates.enabled,
        world.settings.repository_url,
        world.now(),
        world.memory.state(),
    )
    return show_explanation(explain(situation), out, as_json=options.json)


def _check(options: argparse.Namespace, world: World, out: TextIO) -> int:
    from update_engine.install.sources import FromRepository  # noqa: PLC0415 - slow: cryptography, TUF
    from update_engine.worker import check  # noqa: PLC0415 - as above

    _require_updates(world)
    result = check(world, FromRepository(world.releases()))
    return _finish(result, options, out)


def _apply(options: argparse.Namespace, world: World, out: TextIO) -> int:
    if options.scheduled and (reason := _not_now(world)):
        sys.stderr.write(f"update-ctl: {reason}\n")
        return EXIT_LATER
    from update_engine.worker import Ending, update  # noqa: PLC0415 - slow: cryptography

    _require_updates(world)
    if options.retry:
        world.memory.change(lambda state: state.without_quarantine(options.retry))
    line = ProgressLine(sys.stderr)

    def watch(progress: Progress) -> None:
        line.show(progress)

    try:
        result = update(world, _source(options, world), watch)
    finally:
        line.end()
    status = _finish(result, options, out)
    if options.reboot and result.ending in (Ending.ARMED, Ending.WAITING_FOR_REBOOT):
        _reboot(world)
    return status


def _source(options: argparse.Namespace, world: World) -> Source:
    from update_engine.install.sources import FromFile, FromRepository  # noqa: PLC0415 - slow

    releases = world.releases()
    return FromFile(options.payload, releases) if options.payload else FromRepository(releases)


def _rollback(options: argparse.Namespace, world: World, out: TextIO) -> int:
    from update_engine.rollback import go_back  # noqa: PLC0415 - verbs load what they need
    from update_engine.worker import Ending, Result  # noqa: PLC0415 - as above

    decision = go_back(world)
    if isinstance(decision, Blocked):
        result = Result(Ending.BLOCKED, "", decision.text, decision.hint)
        return _finish(result, options, out)
    status = _finish(Result(Ending.ARMED, decision.version), options, out)
    if options.reboot:
        _reboot(world)
    return status


def _firmware(options: argparse.Namespace, world: World, out: TextIO) -> int:
    if options.files and options.action == "status":
        raise InvalidInput("`firmware status` takes no files: it lists all of them")
    board = world.firmware()
    # Comparing mounts the partition too, which one program at a time may do.
    with world.lock():
        if options.action == "status":
            status = board.status()
        else:
            status = board.update(options.files, _tell_replaced)
    return show_firmware(status, out, as_json=options.json)


def _tell_replaced(name: str) -> None:
    sys.stderr.write(f"{name}: replaced\n")


def _finish(result: Result, options: argparse.Namespace, out: TextIO) -> int:
    from update_engine.worker import Ending  # noqa: PLC0415 - whoever calls this has loaded it

    show_result(asdict(result), out, as_json=options.json)
    if result.ending is Ending.BLOCKED:
        return EXIT_BLOCKED
    # Only the question is answered by "no"; being up to date is what apply is for.
    nothing = result.ending is Ending.NOTHING_NEW and options.verb == "check"
    return EXIT_NOTHING_NEW if nothing else 0


def _reboot(world: World) -> None:
    from update_engine.boot.health import reboot  # noqa: PLC0415 - verbs load what they need

    reboot(world)


def _require_updates(world: World) -> None:
    if not world.settings.updates.enabled:
        raise InvalidInput("updates are turned off on this machine", hint="see `update-ctl config`")


def _not_now(world: World) -> str:
    """Why a scheduled run does nothing; empty when it may go on."""
    if not world.settings.updates.enabled:
        return "updates are turned off"
    if not world.settings.repository_url:
        return "no repository is configured"
    if world.memory.state().not_before > world.now():
        return "backing off after failures"
    return ""


def _text_of(path: Path, *, hint: str = "") -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise HostFailure(f"{path}: {error.strerror}", hint=hint) from error


def _this_machine() -> HostIdentity:
    return identify_host(
        _text_of(Path(IDENTITY), hint="update-ctl works on a machine booted from an image"),
        _text_of(Path("/proc/cmdline")),
        _text_of(Path("/proc/sys/kernel/random/boot_id")),
    )


def _exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _esp_node(disk: SystemDisk) -> Path:
    from osmodel.partitions import ESP  # noqa: PLC0415 - status rarely looks at the disk
    from update_engine.espreading import system_table  # noqa: PLC0415 - as above

    partition = system_table(disk).find(ESP)
    if partition is None:
        raise HostFailure(f"the system disk has no partition {ESP}")
    return disk.node(partition.number)


def real_world(configuration: Configuration | None = None) -> World:
    """This machine, with real adapters.

    Raises:
        Fault: not a machine of ours, or its configuration is wrong.
    """
    from hostio.system.clock import SystemClock  # noqa: PLC0415 - entry points build adapters
    from hostio.system.runner import LocalRunner  # noqa: PLC0415 - as above

    settings = (configuration or read_configuration()).settings
    machine = _this_machine()
    runner, clock = LocalRunner(), SystemClock()

    def disk() -> SystemDisk:
        from hostio.disk.sysfs import SysBlock  # noqa: PLC0415 - as above
        from hostio.disk.systemdisk import system_disk  # noqa: PLC0415 - status rarely looks at the disk

        return system_disk(SysBlock(), machine.root_hash)

    def esp() -> AbstractContextManager[Esp]:
        from hostio.disk.esp import mounted_esp  # noqa: PLC0415 - as above

        return mounted_esp(runner, _esp_node(disk()))

    def firmware() -> Firmware:
        from hostio.disk.firmwarefiles import mounted_boot_files  # noqa: PLC0415 - as above
        from update_engine.firmware import HOME, Firmware  # noqa: PLC0415 - as above

        return Firmware(HOME, lambda: mounted_boot_files(runner, _esp_node(disk())))

    def releases() -> Releases:
        from update_engine.repository.configured import open_repository  # noqa: PLC0415 - slow: TUF

        return open_repository(settings.repository_url, TRUST_ROOT, STATE / "tuf", clock)

    return World(
        machine=machine,
        settings=settings,
        clock=clock,
        runner=runner,
        lock=lambda: locked(RUN / "lock"),
        esp=esp,
        disk=disk,
        firmware=firmware,
        memory=Memory(
            DurableFile(STATE / "state.json", mode=0o644),
            DurableFile(STATE / "starts.json", mode=0o644),
            lambda name: VolatileFile(RUN / name),
        ),
        archive=DirectoryArchive(STATE / "failures"),
        releases=releases,
        reboot_wanted=VolatileFile(Path("/run/reboot-required")),
        is_running=_exists,
        pid=os.getpid(),
    )


def main() -> int:
    """Entry point: the only place that builds real adapters."""
    arguments = sys.argv[1:]
    options = parser().parse_args(arguments)  # --help works everywhere
    # What a person needs to know is printed; the journal gets every step.
    loud = options.verbose or getattr(options, "scheduled", False)
    logging.basicConfig(
        level=logging.INFO if loud else logging.CRITICAL, format="%(message)s", stream=sys.stderr
    )
    try:
        configuration = read_configuration()
        world = real_world(configuration)
    except Fault as fault:
        complain(fault)
        return fault.exit_status
    return run(arguments, world, configuration)
