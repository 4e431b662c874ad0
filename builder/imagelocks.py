"""The package locks of images and of the tools: what they are for, and how they are kept fresh."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

from builder import supply
from builder.definition import Definition
from builder.packages import lockfile, toolstree
from builder.packages.solving import PackageRequest
from builder.supply import Wanted
from builder.world import BuildWorld
from hostio.files.durable import replace_file
from osmodel.platforms import Platform

_TOOLS_LOCKS = {"amd64": "tools.lock", "arm64": "tools-arm64.lock"}
# Debian's names of the architectures that images can be built for.
DEBIAN_NAMES = {"x86_64": "amd64", "arm64": "arm64"}
_HOST = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "amd64")


def tools_lock(architecture: str) -> Path:
    """The lock of the tools for hosts of one architecture, Debian's name."""
    return Path(__file__).parent / "packages" / _TOOLS_LOCKS[architecture]


def for_tools(architecture: str = _HOST) -> Wanted:
    """The lock of the tools for hosts of one architecture, Debian's name."""
    request = PackageRequest(architecture, toolstree.PACKAGES)
    refresh = "build-image lock --tools"
    return Wanted(f"tools-{architecture}", tools_lock(architecture), request, refresh, {})


def for_image(image: Definition) -> Wanted:
    """The lock of an image, on the target it was loaded for."""
    on_board = image.target.platform is Platform.RASPBERRYPI
    request = PackageRequest(
        DEBIAN_NAMES[image.target.architecture],
        image.packages,
        kernel=image.kernel,
        loader=not on_board,
        stub=True,
        firmware=("u-boot-rpi",) if on_board else (),
        # The stable suite's is too old for boards made since.
        later_firmware=("raspi-firmware",) if on_board else (),
    )
    return Wanted(f"{image.name}-{image.target.label}", image.lock, request, _command(image), {})


def _command(image: Definition) -> str:
    target = image.target
    command = f"build-image lock {image.directory} --arch {target.architecture}"
    if target.platform is not Platform.UEFI:
        command += f" --platform {target.platform}"
    return command


def refresh(wanted: Wanted, world: BuildWorld) -> tuple[str, ...]:
    """Solve a request and write its lock.

    Returns:
        One line per package that came, went or changed.

    Raises:
        InvalidInput: a package does not exist.
        HostFailure: the archive cannot be read, or its signature is bad.
    """
    with supply.scratch() as scratch:
        found = supply.solver_of(world, wanted, scratch).solve(wanted.request)
    path = wanted.lock
    before = lockfile.load(path, refresh=wanted.refresh) if path.exists() else None
    if before is not None:
        # With the same packages a newer index alone must not change every bit.
        kept = replace(before, snapshot=found.snapshot)
        if replace(kept, epoch=found.epoch) == found:
            found = before if before.snapshot else kept
    if found != before:
        path.parent.mkdir(exist_ok=True)
        replace_file(path, lockfile.to_text(found).encode())
    return supply.changes(before, found)


def report(wanted: Wanted, world: BuildWorld) -> tuple[str, ...]:
    """What speaks for making a lock anew: packages that are gone, and security updates.

    Raises:
        InvalidInput: the lock cannot be used.
        TransientFailure: a mirror is down.
        HostFailure: the archive cannot be read, or its signature is bad.
    """
    lock = wanted.committed()
    gone = world.debs(wanted.archives).lacking(lock.everything)
    with supply.scratch() as scratch:
        solver = supply.solver_of(world, wanted, scratch)
        updates = solver.security_updates(wanted.request, lock)
    locked = {item.name: item.version for item in (*lock.packages, *lock.kernel)}
    return (
        *(f"{wanted.name}: gone: {item.name} {item.version}" for item in gone),
        *(
            f"{wanted.name}: security: {item.name} {locked[item.name]} -> {item.version}"
            for item in updates
        ),
    )
