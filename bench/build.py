"""Times ``build-image`` against mkosi, cold and after a change of one overlay file.

Cold means: no finished step is kept; package files are there on both sides, unless
``--downloads`` is given, which adds a line with empty package caches. The tools
trees of both sides are made before the clock starts. Sides take turns.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import mkosi, places, tables
from bench.mkosi import Mkosi
from bench.spending import Spent, measured
from bench.tables import Row, Series, Table
from builder import definition, hosttools, local
from builder.definition import Definition
from builder.removal import remove_tree
from builder.world import BuildWorld
from hostio.system.runner import Command
from osmodel.releasemanifest import FILE_NAME, ReleaseManifest

_VERSION = "1.0.0"
_KEPT = {"tools", "debs"}  # what a cold build finds
_COLUMNS = ("wall s", "CPU s", "packages", "root MB")
_MB = 1_000_000
_NOTES = (
    "min / median / max of the rounds; x is the ratio of medians, below 1 is in our favour",
    "package files are warm on both sides, and no side uses the network, unless a line says so",
    "both make an ESP, a kernel image, an uncompressed EROFS root and its hash tree",
    "only ours: a second slot, a qcow2, the check of all libraries, packages removed again",
    "only mkosi: an initrd installed from packages (ours is cut out of the root)",
)


@dataclass(frozen=True, slots=True)
class Ours:
    """``build-image`` with a cache of its own.

    Attributes:
        image: what is built.
        world: the real builder's, for the tools tree.
        work: cache, overlay and output.
    """

    image: Definition
    world: BuildWorld
    work: Path

    @property
    def cache(self) -> Path:
        """Its cache."""
        return self.work / "cache"

    def prepare(self) -> None:
        """Lend it the tools tree of this host."""
        hosttools.tree(self.world)
        self.cache.mkdir(parents=True, exist_ok=True)
        tools = self.cache / "tools"
        if not tools.is_symlink():
            tools.symlink_to(self.world.cache.directory / "tools")

    def forget_steps(self) -> None:
        """Make the next build a cold one."""
        for path in self.cache.iterdir():
            if path.name not in _KEPT:
                remove_tree(path)
        remove_tree(self.work / "out")

    def forget_packages(self) -> None:
        """Make the next build fetch every package."""
        remove_tree(self.cache / "debs")

    def has_packages(self) -> bool:
        """Whether an earlier build fetched them."""
        return (self.cache / "debs").is_dir()

    def change_overlay(self, text: str) -> None:
        """Give the overlay's file another content."""
        path = self.work / "overlay" / mkosi.MARKER
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def build(self, *, payload: bool = False) -> None:
        """Build the image."""
        argv = [*places.BUILD_IMAGE, str(self.image.directory), "--version", _VERSION]
        argv += ["--out", str(self.work / "out"), "--overlay", str(self.work / "overlay")]
        argv += [] if payload else ["--no-payload"]
        variables = {**places.passed_on(), "TWINKEEL_CACHE": str(self.cache)}
        self.world.runner.run(Command(argv, env=variables, cwd=places.ROOT, timeout=3600))

    def size(self) -> tuple[int, int]:
        """Packages and bytes of the root of the last build."""
        (path,) = (self.work / "out").glob(f"*/{FILE_NAME}")
        manifest = ReleaseManifest.parse(path.read_bytes())
        return len(manifest.packages), manifest.files["root.erofs"].size


@dataclass(slots=True)
class Comparison:
    """Both sides, and what was measured so far."""

    ours: Ours
    peer: Mkosi
    rounds: int
    rows: list[Row] = field(default_factory=list)
    _change: int = 0

    def prime(self) -> None:
        """Let each side fetch its packages once, unmeasured."""
        self.change()
        if not self.ours.has_packages():
            self._say("fetching packages for build-image")
            self.ours.build()
        if not self.peer.has_packages():
            self._say("fetching packages for mkosi")
            self.peer.build(network=True)

    def downloads(self) -> None:
        """One cold build of each side with empty package caches."""
        self.ours.forget_packages()
        self.peer.forget_packages()
        theirs, own = "mkosi, cold, with downloads", "build-image, cold, with downloads"
        self.measure(theirs, "", lambda: self.peer.build(network=True), 1)
        self.measure(own, theirs, self.ours.build, 1, before=self.ours.forget_steps)

    def cold(self) -> None:
        """Builds with warm package files and nothing else kept."""
        self.alternate(
            ("mkosi, cold", self.peer.build, lambda: None),
            ("build-image, cold", self.ours.build, self.ours.forget_steps),
        )

    def warm(self) -> None:
        """Builds after a change of one overlay file."""
        self._say("filling both caches")
        self.ours.build()
        self.peer.build(incremental=True, network=True)
        self.alternate(
            ("mkosi, overlay change, incremental", self.rebuild_peer, self.change),
            ("build-image, overlay change", self.ours.build, self.change),
        )
        own = self.rows[-1]
        again = Row("the same, against mkosi as it comes", own.cells, "mkosi, cold")
        self.rows.append(again)

    def payload(self) -> None:
        """Our builds that also make the payload, which mkosi has no word for."""

        def build() -> None:
            self.ours.build(payload=True)

        cold, warm = "build-image, cold, with payload", "build-image, overlay, with payload"
        self.measure(cold, "mkosi, cold", build, 1, before=self.ours.forget_steps)
        self.measure(warm, "mkosi, overlay change, incremental", build, 1, before=self.change)

    def change(self) -> None:
        """Change the overlay file on both sides."""
        self._change += 1
        for side in (self.ours, self.peer):
            side.change_overlay(f"{self._change}\n")

    def rebuild_peer(self) -> None:
        """The peer's build with its cache."""
        self.peer.build(incremental=True)

    def alternate(self, *sides: tuple[str, Callable[[], None], Callable[[], None]]) -> None:
        """Measure the sides in turn; the first is what the others compare with."""
        spent: dict[str, list[Spent]] = {label: [] for label, _, _ in sides}
        for number in range(self.rounds):
            for label, build, before in sides:
                before()
                self._say(f"{label}: round {number + 1}")
                spent[label].append(measured(build))
        first = sides[0][0]
        for label, seen in spent.items():
            self._add(label, "" if label == first else first, seen)

    def measure(
        self,
        label: str,
        against: str,
        build: Callable[[], None],
        rounds: int,
        *,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        """Measure one side alone."""
        seen = []
        for _ in range(rounds):
            before()
            self._say(label)
            seen.append(measured(build))
        self._add(label, against, seen)

    def _add(self, label: str, against: str, seen: Sequence[Spent]) -> None:
        if label.startswith("mkosi"):
            made = self.peer.made()
            packages, size = made.packages, made.root
        else:
            packages, size = self.ours.size()
        cells = tables.collect([(one.wall, one.cpu) for one in seen])
        facts = (Series.of(packages), Series.of(size / _MB))
        self.rows.append(Row(label, (*cells, *facts), against))

    def _say(self, text: str) -> None:
        print(f"bench: {text}", file=sys.stderr, flush=True)


def compare(options: argparse.Namespace) -> Table:
    """Measure as the options say."""
    world, work = local.build_world(), places.workplace("build")
    image = definition.load(options.image.absolute())
    ours = Ours(image, world, work / image.name)
    peer = mkosi.prepared(world, work / f"{image.name}-mkosi")
    peer.write_definition(image, world.mirrors())
    ours.prepare()
    comparison = Comparison(ours, peer, options.rounds)
    comparison.prime()
    if options.downloads:
        comparison.downloads()
    comparison.cold()
    comparison.warm()
    if options.payload:
        comparison.payload()
    initrd = peer.made().kernel_and_initrd / _MB
    notes = (*_NOTES, f"peer: {peer.version()}; its kernel and initrd: {initrd:.1f} MB")
    return Table(f"Building {image.name}", _COLUMNS, tuple(comparison.rows), notes)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = tables.options("build", __doc__)
    top.add_argument("image", nargs="?", type=Path, default=places.ROOT / "images/minimal")
    top.add_argument("--rounds", type=int, default=2, help="builds per line (default 2)")
    top.add_argument("--downloads", action="store_true", help="also with empty package caches")
    top.add_argument("--payload", action="store_true", help="also with the payload")
    return top


def main() -> int:
    """Entry point."""
    return tables.run(parser(), lambda options: [compare(options)])


if __name__ == "__main__":
    sys.exit(main())
