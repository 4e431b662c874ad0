"""The Debian base of an image: exactly the locked packages, configured.

mmdebstrap runs in the tools tree against a repository of nothing but the locked
files, with a fixed clock for everything that writes a time stamp. Documentation
and translations are never unpacked. Nothing is taken from the build host.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from builder.imagetoml import IdsTable
from builder.packages import localrepo
from builder.packages.emulation import Emulation
from builder.packages.lock import Lock, LockedPackage
from builder.removal import remove_tree
from builder.tree import accounts, diversions
from hostio.system.runner import Command

# Documentation and translations; and what package scripts would spend seconds
# on for nothing: byte code is made later, the hardware database is not used.
_NEVER_UNPACKED = (
    *(f"/usr/share/{name}/*" for name in ("bug", "doc", "doc-base", "info", "lintian")),
    *(f"/usr/share/{name}/*" for name in ("locale", "man")),
    "/usr/bin/py3compile",
    "/usr/lib/udev/hwdb.d/*",
    *diversions.excluded(),
)
_DIVERTED = "diverted"
_CHECKS = "check/empty,check/qemu,check/chrootless"


def make(
    lock: Lock, files: Mapping[LockedPackage, Path], ids: IdsTable, emulation: Emulation, out: Path
) -> None:
    """Fill ``out/root`` with the configured packages.

    Args:
        lock: of the image.
        files: the .deb file of each package.
        ids: fixed numbers of users and groups.
        emulation: has the tools that run mmdebstrap, and starts package scripts.
        out: an empty directory.

    Raises:
        InvalidInput: a package made a user or group without a fixed number.
        HostFailure: a package could not be configured.
    """
    repository = out / "repository"
    repository.mkdir()
    wanted = {package: files[package] for package in lock.packages}
    tools = emulation.tools
    source = localrepo.write(repository, lock.suite, wanted, tools.host)
    for name, text in accounts.seeds(ids).items():
        (out / name).write_text(text)
    (out / _DIVERTED).mkdir()
    diversions.divert({package.name for package in wanted}, out / _DIVERTED)
    command = Command(
        _arguments(lock, out, source), env={"SOURCE_DATE_EPOCH": str(lock.epoch)}, timeout=3600
    )
    with emulation.of(lock.architecture):
        tools.runner([out]).run(command)
    remove_tree(repository)
    remove_tree(out / _DIVERTED)
    undoing = out / "undoing"
    undoing.mkdir()
    binds = [out, *{path.parent for path in wanted.values()}]
    diversions.undo(out / "root", wanted, undoing, tools.runner(binds))
    remove_tree(undoing)
    for name in accounts.seeds(ids):
        (out / name).unlink()
    accounts.check(out / "root", ids)


def _arguments(lock: Lock, out: Path, source: str) -> list[str]:
    names = ",".join(package.name for package in lock.packages)
    argv = ["mmdebstrap", "--mode=root", "--variant=essential", "--format=directory"]
    argv += [f"--architectures={lock.architecture}", f"--include={names}", f"--skip={_CHECKS}"]
    # The draft is thrown away when the host fails, so nothing is flushed.
    argv += ["--dpkgopt=force-unsafe-io"]
    argv += [f"--dpkgopt=path-exclude={path}" for path in _NEVER_UNPACKED]
    # After the essential packages, before any that adds users.
    for name in accounts.SEEDED:
        argv.append(f"--essential-hook=cat {out / name} >>$1/etc/{name}")
    argv.append(f"--essential-hook=cp -a {out / _DIVERTED}/. $1/")
    return [*argv, lock.suite, str(out / "root"), source]
