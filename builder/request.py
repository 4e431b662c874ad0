"""What one call of ``build-image`` is asked to make, checked and complete."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from builder.definition import Definition
from builder.identity import Identity
from osmodel.faults import InvalidInput
from osmodel.platforms import Platform
from osmodel.release import Release
from osmodel.version import Version

SMALLEST = 19
"""Level of zstd that a release is compressed with unless the caller is in a hurry."""


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One image to build.

    Attributes:
        image: its definition, for the wanted kind of machine.
        version: of the release.
        out: directory that receives the result's directory.
        trust_root: instead of the definition's, if given.
        update_url: instead of the definition's, if given.
        overlays: trees laid over those of the definition.
        arguments: kernel arguments after those of the definition.
        with_payload: whether the update payload is wanted.
        payload_level: of its compression, 1 to 19.
    """

    image: Definition
    version: Version
    out: Path
    trust_root: Path | None = None
    update_url: str = ""
    overlays: tuple[Path, ...] = ()
    arguments: tuple[str, ...] = ()
    with_payload: bool = True
    payload_level: int = SMALLEST

    def __post_init__(self) -> None:
        if self.trust_root is not None and not self.trust_root.is_file():
            raise InvalidInput(f"--trust-root: no such file: {self.trust_root}")
        for overlay in self.overlays:
            if not overlay.is_dir():
                raise InvalidInput(f"--overlay: no such directory: {overlay}")
        if not 1 <= self.payload_level <= SMALLEST:
            raise InvalidInput(f"--payload-level: expected 1 to {SMALLEST}: {self.payload_level}")
        for argument in self.arguments:
            if not argument.isascii() or not argument.isprintable() or " " in argument:
                raise InvalidInput(f"--kernel-arg: not one kernel argument: {argument!r}")

    @property
    def architecture(self) -> str:
        """Of the machines: ``x86_64`` or ``arm64``."""
        return self.image.target.architecture

    @property
    def platform(self) -> Platform:
        """How the machines boot."""
        return self.image.target.platform

    @property
    def name(self) -> str:
        """Name of the result's directory."""
        return f"{self.image.name}-{self.image.target.label}-{self.version}"

    @property
    def trees(self) -> tuple[Path, ...]:
        """All overlays, in the order in which they are laid."""
        return (*self.image.overlays, *self.overlays)

    @property
    def command_line(self) -> tuple[str, ...]:
        """All kernel arguments beside the builder's own."""
        return (*self.image.command_line, *self.arguments)

    @property
    def identity(self) -> Identity:
        """What the root tree says about itself."""
        return Identity(
            image=self.image.name,
            architecture=self.architecture,
            platform=self.platform.value,
            version=str(self.version),
            update_url=self.update_url or self.image.update_url,
            trust_root=self.trust_root or self.image.trust_root,
        )

    @property
    def volume_id(self) -> int:
        """Serial number of the ESP's file system: 32 bits, the same for all versions."""
        digest = hashlib.sha256(f"twinkeel:esp:{self.image.name}".encode()).digest()
        return int.from_bytes(digest[:4], "big")

    def release(self, root_hash: str) -> Release:
        """The release that the result is."""
        return Release(
            self.image.name, self.architecture, self.platform.value, self.version, root_hash
        )
