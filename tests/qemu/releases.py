"""Releases and mirrors for the scenarios, made with the commands a user would type.

One repository with throw-away keys (2 of 3 must sign) is made first and kept, so
that images, which trust its root, are built once and found finished by the next
run. Each scenario works on a copy of the repository: scenarios that run side
by side do not offer each other releases.
"""

import contextlib
import io
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import builder.cli
import builder.local
import mirror.cli
import mirror.world
from hostio.system.clock import SystemClock
from mirror.release.releasesigner import sign_release
from mirror.server import serve
from osmodel.faults import HostFailure
from osmodel.platforms import TARGETS, Target
from osmodel.repository import ROLES
from tests import mirrorprocess
from tests.checkout import ROOT

OVERLAYS = Path(__file__).with_name("overlays")
MIRROR_ADDRESS = "10.0.2.100"
"""Where a guest finds the mirror of its scenario."""

_ONE_REPOSITORY = threading.Lock()
_ONE_COMMAND = threading.Lock()  # what a command prints goes nowhere, process-wide


@dataclass(frozen=True, slots=True)
class Mirror:
    """One copy of the repository.

    Attributes:
        path: its directory.
        keys: URIs of the keys that sign releases.
    """

    path: Path
    keys: Sequence[str]

    def publish(self, release: Path) -> None:
        """Publish a built release."""
        keys = [part for uri in self.keys for part in ("--key", uri)]
        _update_mirror("publish", str(self.path), str(release), *keys)

    @contextlib.contextmanager
    def served(self, log: Path) -> Iterator[int]:
        """Serve it as ``update-mirror serve`` does; gives the port."""
        with mirrorprocess.serving(self.path, log) as server:
            yield server.port


@dataclass(slots=True)
class Releases:
    """Builds images and makes mirrors.

    Attributes:
        home: keeps the empty repository, its keys and the images.
        target: what the images are for.
    """

    home: Path
    target: Target
    _original: Mirror = field(init=False)

    def __post_init__(self) -> None:
        path, keys = self.home / "repository", self.home / "repository.keys"
        with _ONE_REPOSITORY:
            if not (path / "metadata" / "timestamp.json").exists():
                shutil.rmtree(path, ignore_errors=True)
                shutil.rmtree(keys, ignore_errors=True)
                lasting = [part for role in ROLES for part in ("--expires", f"{role}=3650")]
                _update_mirror("init", str(path), "--threshold", "2", "--keys", "3", *lasting)
        self._original = Mirror(path, [f"file:{keys}/targets-{n}.pem" for n in (1, 2)])

    def build(
        self, version: str, *overlays: str, image: str = "minimal", publishable: bool = True
    ) -> Path:
        """The release directory of a version, built now.

        Args:
            version: of the image.
            overlays: names below tests/qemu/overlays, for versions that misbehave.
            image: name below images/.
            publishable: with the payload, which takes most of the time.
        """
        arguments = [str(ROOT / "images" / image), "--version", version, "--out", str(self.home)]
        arguments += ["--arch", self.target.architecture, "--platform", self.target.platform]
        arguments += ["--trust-root", str(self._original.path / "metadata" / "1.root.json")]
        arguments += ["--update-url", f"http://{MIRROR_ADDRESS}"]
        arguments += [] if publishable else ["--no-payload"]
        # An overlay shifts what lies behind it, so no chunk is compressed already; and one
        # target at the usual level is enough to show that it works.
        in_a_hurry = overlays or self.target != TARGETS[0]
        arguments += ["--payload-level", "3"] if in_a_hurry else []
        for name in overlays:
            arguments += ["--overlay", str(OVERLAYS / name)]
        with _ONE_COMMAND, contextlib.redirect_stdout(io.StringIO()):
            status = builder.cli.run(arguments, builder.local.build_world())
        if status != 0:
            raise HostFailure(f"build-image {' '.join(arguments)} ended with {status}")
        return self.home / f"{image}-{self.target.label}-{version}"

    def mirror(self, directory: Path) -> Mirror:
        """A copy of the repository for one scenario, below ``directory``."""
        path = directory / "mirror"
        shutil.copytree(self._original.path, path)
        shutil.copytree(self.home / "repository.keys", directory / "mirror.keys")
        return Mirror(path, self._original.keys)


def _update_mirror(*arguments: str) -> None:
    world = mirror.world.MirrorWorld(SystemClock(), sign_release, serve)
    with _ONE_COMMAND, contextlib.redirect_stdout(io.StringIO()):
        status = mirror.cli.run(arguments, world)
    if status != 0:
        raise HostFailure(f"update-mirror {' '.join(arguments)} ended with {status}")
