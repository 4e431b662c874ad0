"""Put the programs of this project into a root tree.

The packages are copied as source; each program is started by a launcher of
a few lines that runs Python isolated from the user's environment.
"""

from __future__ import annotations

from pathlib import Path

from builder.tree import overlaytree

PACKAGES = ("osmodel", "hostio", "update_engine", "locksmith", "cloud_config")
HOME = Path("usr/lib/twinkeel/python")
SOURCES = Path(__file__).resolve().parents[2]
LAUNCHERS = {
    "usr/bin/cloud-config": "cloud_config.cli:main",
    "usr/bin/coreos-cloudinit": "cloud_config.cli:coreos_cloudinit",
    "usr/lib/cloud-config/boot-step": "cloud_config.bootsteps:main",
    "usr/bin/locksmithctl": "locksmith.cli:main",
    "usr/bin/update-ctl": "update_engine.cli:main",
    "usr/bin/update_engine_client": "update_engine.client:main",
    "usr/lib/update-engine/update-engine": "update_engine.service:main",
    "usr/lib/update-engine/boot-step": "update_engine.boot.steps:main",
}


def install(root: Path, *, sources: Path = SOURCES) -> None:
    """Copy the packages that run on a machine and write their launchers."""
    for package in PACKAGES:
        (root / HOME / package).mkdir(parents=True)
        overlaytree.copy_plain(sources / package, root / HOME / package)
    for name, entry in LAUNCHERS.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(launcher(entry))
        path.chmod(0o755)


def launcher(entry: str) -> str:
    """The text of a launcher.

    Args:
        entry: ``module:function``.
    """
    module, _, function = entry.partition(":")
    return (
        "#!/usr/bin/python3 -I\n"
        "import sys\n"
        f'sys.path.insert(0, "/{HOME}")\n'
        f"from {module} import {function}\n"
        f"sys.exit({function}())\n"
    )
