"""What a root tree says about itself, and whom it trusts.

These files are all that differs between two versions of one definition, so
they are written last, over a tree that both share.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

_PROJECT = "twinkeel"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an image is.

    Attributes:
        image: name of the definition.
        architecture: ``x86_64`` or ``arm64``.
        platform: ``uefi`` or ``raspberrypi``.
        version: as ``osmodel.version`` writes it.
        update_url: of the repository, or empty.
        trust_root: file with the repository's root of trust, if any.
    """

    image: str
    architecture: str
    platform: str
    version: str
    update_url: str = ""
    trust_root: Path | None = None


def os_release(identity: Identity) -> str:
    """The text of ``os-release``, also embedded in the kernel image."""
    lines = {
        "ID": _PROJECT,
        "NAME": "Twinkeel",
        "PRETTY_NAME": f"Twinkeel {identity.image} {identity.version}",
        "VERSION_ID": identity.version,
        "IMAGE_ID": identity.image,
        "IMAGE_VERSION": identity.version,
        "ARCHITECTURE": identity.architecture.replace("_", "-"),
        "DEFAULT_HOSTNAME": _PROJECT,
    }
    return "".join(f'{key}="{value}"\n' for key, value in lines.items())


def write(root: Path, identity: Identity) -> None:
    """Write the identity, the trust root and the repository's address."""
    fields = {
        "image": identity.image,
        "architecture": identity.architecture,
        "platform": identity.platform,
        "version": identity.version,
    }
    _write(root / "usr/lib/os-release", os_release(identity))
    _write(root / "usr/lib/twinkeel/identity.json", json.dumps(fields, sort_keys=True) + "\n")
    if identity.trust_root is not None:
        target = root / "usr/lib/twinkeel/trust/root.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(identity.trust_root, target)
    if identity.update_url:
        text = f"[repository]\nurl = {json.dumps(identity.update_url)}\n"
        _write(root / "usr/lib/update-engine/config.d/10-image.toml", text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
