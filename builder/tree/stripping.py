"""Take out of a root tree what only its making needed, or nothing at all.

Package managers and interpreters leave by the package manager's own file lists,
before its database goes as well. Whatever an image needs after all is noticed
by the closure check, which runs on the result.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from builder.removal import remove_tree
from osmodel.faults import InvalidInput

_DATABASE = Path("var/lib/dpkg")
_ALTERNATIVES = "/etc/alternatives/"

_NOT_AT_BOOT = (
    "ldconfig",
    "systemd-binfmt",
    "systemd-firstboot",
    "systemd-hibernate-clear",
    "systemd-hwdb-update",
    "systemd-journal-catalog-update",
    "systemd-repart",
)
_NOT_LISTENING = ("proc-sys-fs-binfmt_misc.automount", "systemd-initctl.socket")
_NOT_GENERATED = ("hibernate-resume", "rc-local", "ssh", "sysv")

# Directories and files of packages that stay. Patterns of pathlib, below the root.
_UNWANTED = (
    # documentation, translations, and what only a package manager reads
    *(f"usr/share/{name}" for name in ("bug", "common-licenses", "doc-base", "info", "lintian")),
    *(f"usr/share/{name}" for name in ("doc", "locale", "man", "menu", "perl5", "pixmaps")),
    *(f"usr/share/{name}" for name in ("bash-completion", "zsh", "fish", "gdb", "initramfs-tools")),
    *(f"usr/share/{name}" for name in ("base-files", "base-passwd", "debianutils", "python3")),
    "usr/share/polkit-1/actions/org.dpkg*",
    "usr/share/systemd/language-fallback-map",
    "usr/include",
    "usr/games",
    "usr/src",
    "usr/lib/*-linux-gnu/gconv",
    "usr/lib/init",
    "usr/lib/udev/hwdb.*",
    "usr/lib/valgrind",
    "usr/lib/python3.*/config-*",
    *(f"usr/lib/python3.*/{name}" for name in ("ensurepip", "idlelib", "lib2to3", "pydoc_data")),
    *(f"usr/lib/python3.*/{name}" for name in ("test", "tkinter", "turtledemo", "__phello__")),
    "usr/lib/python3/dist-packages/*/tests",
    "usr/bin/py3*",
    "usr/bin/pydoc3*",
    "usr/bin/pygettext3*",
    # time stamps, keys, and names of the build host
    "etc/.pwd.lock",
    "etc/hostname",
    "etc/.resolv.conf*",
    "etc/resolv.conf",
    "etc/ssh/ssh_host_*",
    "etc/fstab",
    # configuration of what is not there
    *(f"etc/{name}" for name in ("apt", "dpkg", "cron.*", "init.d", "rc?.d", "rmt", "runit")),
    *(f"etc/{name}" for name in ("debconf.conf", "adduser.conf", "deluser.conf", "ucf.conf")),
    *(f"etc/{name}" for name in ("logrotate.d", "update-motd.d", "ufw", "sv", "kernel", "opt")),
    *(f"etc/{name}" for name in ("dhcp", "python3*", "hosts.allow", "hosts.deny", "e2scrub.conf")),
    *(f"etc/{name}" for name in ("network", "default/useradd", "xdg/autostart", "motd")),
    # enabled by package scripts; presets decide instead
    "etc/systemd/system",
    "etc/systemd/user",
    "etc/machine-id",
    # work that a read-only image has done already, and doors that no image opens
    *(f"usr/lib/systemd/system/*.wants/{name}.service" for name in _NOT_AT_BOOT),
    *(f"usr/lib/systemd/system/*.wants/{name}" for name in _NOT_LISTENING),
    *(f"usr/lib/systemd/system-generators/systemd-{name}-generator" for name in _NOT_GENERATED),
    "usr/lib/systemd/system/rc-local.service*",
    "etc/ssh/ssh_config.d/20-systemd-ssh-proxy.conf",
    "usr/lib/tmpfiles.d/20-systemd-ssh-generator.conf",
    "boot/*",
    "home",
    "media",
    "opt",
    "root",
    "srv",
    "run/*",
    "tmp/*",
    "dev/*",
)
# Below /var nothing is content: directories are made at boot.
_UNWANTED_STATE = (
    *(f"var/lib/{name}" for name in ("apt", "dpkg", "ucf", "python", "pam", "shells.state")),
    *(f"var/lib/{name}" for name in ("dbus", "misc", "polkit-1", "systemd", "wtmpdb")),
    *(f"var/{name}" for name in ("backups", "cache", "local", "lock", "mail", "opt", "run")),
    *(f"var/{name}" for name in ("log", "spool", "tmp")),
)


def strip(root: Path, remove: Iterable[str]) -> None:
    """Reduce a configured Debian tree to what runs.

    Args:
        root: changed in place.
        remove: packages to delete.

    Raises:
        InvalidInput: a package to remove is not installed.
    """
    # First, or directories of removed packages would not be empty.
    for path in sorted(root.rglob("__pycache__")):
        remove_tree(path)
    doomed = {path for name in remove for path in _files(root, name)}
    kept = {path for name in _installed(root) - set(remove) for path in _files(root, name)}
    _delete(root, doomed - kept)
    for pattern in (*_UNWANTED, *_UNWANTED_STATE):
        for path in _found(root, pattern):
            remove_tree(path)
    _resolve_alternatives(root)
    _drop_dangling(root)


def _found(root: Path, pattern: str) -> list[Path]:
    """What a pattern names, links included, wherever they lead.

    Not ``Path.glob``: it looks where a link leads, and an absolute one leads
    into this host.
    """
    places = [root]
    for part in pattern.split("/"):
        inside = [place for place in places if place.is_dir() and not place.is_symlink()]
        if set(part) & set("*?["):
            found = [path for place in inside for path in sorted(place.iterdir())]
            places = [path for path in found if fnmatch.fnmatchcase(path.name, part)]
        else:
            places = [place / part for place in inside if os.path.lexists(place / part)]
    return places


def _installed(root: Path) -> set[str]:
    lists = (root / _DATABASE / "info").glob("*.list")
    return {path.name.removesuffix(".list").partition(":")[0] for path in lists}


def _files(root: Path, package: str) -> Iterator[str]:
    info = root / _DATABASE / "info"
    lists = [*info.glob(f"{package}.list"), *info.glob(f"{package}:*.list")]
    if not lists:
        raise InvalidInput(f"packages.remove: {package!r} is not installed")
    for path in lists:
        yield from (line for line in path.read_text().splitlines() if line != "/.")


def _delete(root: Path, names: Iterable[str]) -> None:
    # Children first; a directory goes when nothing is left in it.
    for name in sorted(names, reverse=True):
        path = root / name.lstrip("/")
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _resolve_alternatives(root: Path) -> None:
    """Point links at what the alternatives system chose, without the detour by /etc."""
    for directory in ("usr/bin", "usr/sbin", "usr/lib"):
        for path in sorted((root / directory).iterdir()):
            if not path.is_symlink() or not str(path.readlink()).startswith(_ALTERNATIVES):
                continue
            chosen = root / str(path.readlink()).lstrip("/")
            target = str(chosen.readlink()) if chosen.is_symlink() else ""
            path.unlink()
            if target and os.path.lexists(root / target.lstrip("/")):
                path.symlink_to(os.path.relpath(target, f"/{directory}"))
    remove_tree(root / "etc/alternatives")


def _drop_dangling(root: Path) -> None:
    """Remove links in program directories whose target left with a package."""
    for directory in ("usr/bin", "usr/sbin"):
        for path in sorted((root / directory).iterdir()):
            if path.is_symlink() and not str(path.readlink()).startswith("/") and not path.exists():
                path.unlink()
