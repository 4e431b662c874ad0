"""``build-image lock``: make or refresh a package lock, and say what changed."""

from __future__ import annotations

import platform
import tempfile
from dataclasses import replace
from pathlib import Path

from builder import definition
from builder.packages import lockfile, solving, toolstree
from builder.packages.lock import Lock, LockedPackage
from builder.packages.solving import Request
from builder.world import BuildWorld
from hostio.files.durable import replace_file
from osmodel.platforms import Platform

_TOOLS_LOCKS = {"amd64": "tools.lock", "arm64": "tools-arm64.lock"}
TOOLS_COMMAND = "build-image lock --tools"
# Debian's names of the architectures that images can be built for.
DEBIAN_NAMES = {"x86_64": "amd64", "arm64": "arm64"}
_HOST = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "amd64")


def tools_lock(architecture: str) -> Path:
    """The lock of the tools for hosts of one architecture, Debian's name."""
    return Path(__file__).parent / "packages" / _TOOLS_LOCKS[architecture]


TOOLS_LOCK = tools_lock(_HOST)
"""The lock of the tools of this host."""


def tools_request(architecture: str) -> Request:
    """What the tools tree is solved for."""
    return Request(architecture, toolstree.PACKAGES)


def image_request(image: definition.Definition) -> Request:
    """What an image is solved for, on the target it was loaded for."""
    on_board = image.target.platform is Platform.RASPBERRYPI
    return Request(
        DEBIAN_NAMES[image.target.architecture],
        image.packages,
        kernel=image.kernel,
        loader=not on_board,
        stub=True,
        firmware=("u-boot-rpi",) if on_board else (),
        # The stable suite's is too old for boards made since.
        later_firmware=("raspi-firmware",) if on_board else (),
    )


def image_command(image: definition.Definition) -> str:
    """The command that makes the lock of ``image``, for hints."""
    target = image.target
    command = f"build-image lock {image.directory} --arch {target.architecture}"
    if target.platform is not Platform.UEFI:
        command += f" --platform {target.platform}"
    return command


def refresh(path: Path, request: Request, world: BuildWorld) -> tuple[str, ...]:
    """Solve ``request`` and write the lock to ``path``.

    Returns:
        One line per package that came, went or changed.

    Raises:
        InvalidInput: a package does not exist.
        HostFailure: the archive cannot be read, or its signature is bad.
    """
    with tempfile.TemporaryDirectory(prefix="twinkeel-lock-") as scratch:
        found = solving.solve(request, world.mirrors(), world.runner, Path(scratch))
    before = lockfile.load(path, refresh="build-image lock") if path.exists() else None
    if before is not None and replace(before, epoch=found.epoch) == found:
        # The same packages: a newer index alone must not change every bit.
        return ()
    path.parent.mkdir(exist_ok=True)
    replace_file(path, lockfile.to_text(found).encode())
    return _changes(before, found)


def _changes(before: Lock | None, after: Lock) -> tuple[str, ...]:
    old = _by_name(before.everything if before else ())
    new = _by_name(after.everything)
    lines = []
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name), new.get(name)
        if was == now:
            continue
        versions = [item.version if item else "none" for item in (was, now)]
        lines.append(f"{name}: {versions[0]} -> {versions[1]}")
    return tuple(lines)


def _by_name(packages: tuple[LockedPackage, ...]) -> dict[str, LockedPackage]:
    return {f"{item.name}:{item.architecture}": item for item in packages}
