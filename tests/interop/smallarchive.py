"""A Debian archive of small packages on a loopback port, from which packages vanish.

A second port serves every file there ever was, as Debian's snapshot service does.
"""

from __future__ import annotations

import copy
import gzip
import hashlib
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hostio.system.runner import Command, LocalRunner

_DATE = "Thu, 01 Jan 2026 00:00:00 UTC"
_RUNNER = LocalRunner()


@dataclass
class Signer:
    """A key of its own.

    Attributes:
        home: of gpg; its path must be short, for the agent's socket.
    """

    home: Path

    def __post_init__(self) -> None:
        self.home.mkdir(mode=0o700)
        self._gpg("--quick-gen-key", "archive@example.invalid", "ed25519", "sign", "never")
        self.keyring.write_bytes(self._gpg("--export"))

    @property
    def keyring(self) -> Path:
        return self.home / "archive.gpg"

    def sign(self, release: Path) -> None:
        out = release.with_name("InRelease")
        self._gpg("--yes", "--clearsign", "--output", str(out), str(release))

    def stop(self) -> None:
        _RUNNER.run(Command(["gpgconf", "--homedir", str(self.home), "--kill", "all"]))

    def _gpg(self, *arguments: str) -> bytes:
        quiet = ["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        return _RUNNER.run(Command(["gpg", "--homedir", str(self.home), *quiet, *arguments]))


@dataclass
class SmallArchive:
    """Debian's archives, with as many packages as a test puts in.

    Attributes:
        top: directory that is served.
        signer: signs the indexes.
        asked: paths that were asked for.
        urls: the same, as a proxy sees them.
        refused: parts of paths that are answered with 403.
    """

    top: Path
    signer: Signer
    asked: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    _suites: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    def add(  # noqa: PLR0913 - the fields of a package
        self,
        name: str,
        version: str = "1",
        *,
        depends: str = "",
        source: str = "",
        suite: str = "trixie",
        archive: str = "debian",
        essential: bool = False,
    ) -> None:
        """Put a package in, or a new version of one, whose older one leaves the index."""
        source = source or name
        path = f"pool/main/{source[0]}/{source}/{name}_{version}_amd64.deb"
        fields = [f"Package: {name}", f"Version: {version}", "Architecture: amd64"]
        fields += ["Maintainer: none", f"Description: {name}", f"Source: {source}"]
        fields += [f"Depends: {depends}"] if depends else []
        fields += ["Essential: yes"] if essential else []
        control = "\n".join(fields) + "\n"
        deb = self.top / archive / path
        if not deb.exists():
            self._build(deb, name, control)
        content = deb.read_bytes()
        sums = f"Size: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"
        self._suites.setdefault((archive, suite), {})[name] = f"{control}Filename: {path}\n{sums}"
        self._publish(archive, suite)

    def copied(self, top: Path) -> SmallArchive:
        """Another archive with the same packages, below ``top``."""
        shutil.copytree(self.top, top)
        return SmallArchive(top, self.signer, _suites=copy.deepcopy(self._suites))

    def vanish(self, name: str, version: str) -> None:
        """Take a package's file away; the index keeps what it has."""
        (deb,) = self.top.glob(f"debian*/pool/**/{name}_{version}_amd64.deb")
        deb.unlink()

    def publish_all(self) -> None:
        """Have an index of every suite, empty ones too."""
        for archive, suite in (
            *(("debian", name) for name in ("trixie", "trixie-updates", "forky")),
            ("debian-security", "trixie-security"),
        ):
            self._suites.setdefault((archive, suite), {})
            self._publish(archive, suite)

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve mirrors and snapshots; gives the address."""
        handler = partial(_Handler, self)
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def _build(self, deb: Path, name: str, control: str) -> None:
        tree = self.top / "trees" / deb.stem
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN/control").write_text(control)
        (tree / "usr/share" / name).mkdir(parents=True)
        (tree / "usr/share" / name / "file").write_text(control)
        deb.parent.mkdir(parents=True, exist_ok=True)
        _RUNNER.run(Command(["dpkg-deb", "--root-owner-group", "--build", str(tree), str(deb)]))
        kept = self.top / "snapshot" / deb.relative_to(self.top)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.hardlink_to(deb)

    def _publish(self, archive: str, suite: str) -> None:
        place = self.top / archive / "dists" / suite
        sums = []
        for component in ("main", "non-free-firmware"):
            rows = self._suites[archive, suite].values() if component == "main" else ()
            plain = "\n".join(rows).encode()
            for suffix, index in (("", plain), (".gz", gzip.compress(plain, mtime=0))):
                name = f"{component}/binary-amd64/Packages{suffix}"
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                (place / name).write_bytes(index)
                sums.append(f" {hashlib.sha256(index).hexdigest()} {len(index)} {name}")
        release = place / "Release"
        release.write_text(
            f"Origin: Debian\nLabel: Debian\nSuite: {suite}\nCodename: {suite}\nDate: {_DATE}\n"
            "Architectures: amd64\nComponents: main non-free-firmware\nSHA256:\n"
            + "\n".join(sums)
            + "\n"
        )
        self.signer.sign(release)


class _Handler(SimpleHTTPRequestHandler):
    """Serves files, and ``/archive/NAME/TIME/PATH`` from everything there ever was."""

    def __init__(self, archive: SmallArchive, *arguments: object) -> None:
        self._archive = archive
        super().__init__(*arguments, directory=str(archive.top))  # type: ignore[arg-type] # as given

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self._archive.asked.append(path)
        self._archive.urls.append(self.path)
        if any(part in path for part in self._archive.refused) or " " in path:
            self.send_error(403)
        else:
            super().do_GET()

    def translate_path(self, path: str) -> str:
        parts = unquote(urlsplit(path).path).strip("/").split("/")
        if parts[0] == "archive":
            parts = ["snapshot", parts[1], *parts[3:]]
        return str(self._archive.top.joinpath(*parts))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base
        pass
