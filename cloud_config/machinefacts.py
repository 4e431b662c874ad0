"""Read the facts that a plan is made from; nothing is changed."""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import fields
from pathlib import Path

from cloud_config.document.jsontext import parsed
from cloud_config.planning.authorities import BUNDLE, without_ours
from cloud_config.planning.facts import Facts
from cloud_config.planning.metadata import Metadata, address
from cloud_config.state.paths import RUN
from hostio.files.guardedtree import ReadableTree
from osmodel.faults import HostFailure, InvalidInput

Image = Callable[[], AbstractContextManager[ReadableTree]]

METADATA = RUN / "metadata.json"
_UNITS = (
    "etc/systemd/system",
    "run/systemd/system",
    "usr/lib/systemd/system",
    "run/systemd/transient",
    "run/systemd/generator.early",
    "run/systemd/generator",
    "run/systemd/generator.late",
)
_LINKED = ("home", "opt", "root", "srv")
_LONGEST = 1 << 20  # bytes of a file that is read whole


def read_facts(metadata: Metadata, root: Path = Path("/"), image: Image | None = None) -> Facts:
    """The facts of the machine whose files are below ``root``.

    What is missing is empty: a plan can be made on another machine than the
    one it is for.

    Args:
        metadata: what its platform says.
        root: of its files.
        image: opens the image's own files, without this machine's changes.

    Raises:
        HostFailure: a file is there but cannot be read.
    """
    return Facts(
        hostname=_text(root / "proc/sys/kernel/hostname").strip(),
        users=frozenset(
            line.partition(":")[0] for line in _text(root / "etc/passwd").splitlines() if line
        ),
        units=_units(root),
        links=_links(root),
        update_conf=_text(root / "etc/coreos/update.conf"),
        update_conf_default=_text(root / "usr/share/coreos/update.conf"),
        environment=_text(root / "etc/environment"),
        image_bundle=_image_bundle(root, image),
        metadata=metadata,
    )


def _image_bundle(root: Path, image: Image | None) -> str:
    """The image's certificates; those in force, without ours, where it takes root to see them."""
    if image is not None:
        with contextlib.suppress(HostFailure), image() as files:
            content = files.read(BUNDLE, _LONGEST)
            return (content or b"").decode(errors="surrogateescape")
    return without_ours(_text(root / BUNDLE.lstrip("/")))


def read_metadata(path: Path = METADATA) -> Metadata:
    """What the platform said at this start; empty if no source was asked.

    Raises:
        HostFailure: it is there but cannot be read.
        UntrustedData: it is damaged.
    """
    return Metadata.from_json(text) if (text := _text(path)) else Metadata()


def given_metadata(path: Path) -> Metadata:
    """Metadata that an operator wrote to plan for a machine; see cloud-config-plan.md.

    Raises:
        InvalidInput: there is no such file, or a key or an address in it is none.
        UntrustedData: it is no JSON object of that form.
        HostFailure: it cannot be read.
    """
    try:
        path.stat()
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from error
    text = _text(path)
    metadata = Metadata.from_json(text)
    known = {item.name for item in fields(Metadata)}
    for key in sorted(set(parsed(text)) - known):
        raise InvalidInput(f"{path}: {key}: unknown key", hint=f"known: {', '.join(sorted(known))}")
    for name, found in metadata.addresses.items():
        if not address(found, 4 if name.endswith("4") else 6):
            raise InvalidInput(f"{path}: {name}: {found!r} is no address of that kind")
    return metadata


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST).decode(errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise HostFailure(f"{path}: {error.strerror}") from error


def _units(root: Path) -> frozenset[str]:
    names: set[str] = set()
    for directory in _UNITS:
        with contextlib.suppress(OSError):
            names.update(os.listdir(root / directory))  # noqa: PTH208 - names are wanted, not paths
    return frozenset(names)


def _links(root: Path) -> dict[str, str]:
    """Top-level directories that lead elsewhere, as ``/home`` to ``/var/home``."""
    found: dict[str, str] = {}
    for name in _LINKED:
        with contextlib.suppress(OSError):
            target = (root / name).readlink()
            found[f"/{name}"] = posixpath.normpath(posixpath.join("/", str(target)))
    return found
