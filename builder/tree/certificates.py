"""The certificate authorities that programs of an image trust.

Those of the package ca-certificates, and those that an overlay has in
``/usr/local/share/ca-certificates``, each a ``.crt`` file in PEM form with one
certificate.

Source: ca-certificates 20250419, sbin/update-ca-certificates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryptography import x509

from builder.removal import remove_tree
from hostio.system.runner import Command, Runner
from osmodel.faults import InvalidInput

LIST = Path("etc/ca-certificates.conf")
_LINKED = Path("etc/ssl/certs")
_BUNDLE = "ca-certificates.crt"
_PACKAGED = Path("usr/share/ca-certificates")
_LOCAL = Path("usr/local/share/ca-certificates")
_HASH = re.compile(r"[0-9a-f]{8}\.\d+")


def change(root: Path, overlays: Iterable[Path], scratch: Path, tools: Runner) -> None:
    """Link the certificates again if an overlay brings or deselects some.

    Args:
        root: with its overlays.
        overlays: that were laid over it.
        scratch: does not exist yet.
        tools: runs openssl; sees both.

    Raises:
        InvalidInput: a file of an overlay is no certificate, or more than one.
    """
    places = (LIST, _PACKAGED, _LOCAL)
    if any((overlay / place).exists() for overlay in overlays for place in places):
        link(root, scratch, tools)


def link(root: Path, scratch: Path, tools: Runner) -> None:
    """Make /etc/ssl/certs anew, as update-ca-certificates does.

    Args:
        root: changed in place.
        scratch: does not exist yet.
        tools: runs openssl; sees both.

    Raises:
        InvalidInput: a listed certificate is missing or is not one.
    """
    scratch.mkdir()
    target = root / _LINKED
    target.mkdir(parents=True, exist_ok=True)
    for path in [path for path in target.iterdir() if path.is_symlink() and _is_made(path)]:
        path.unlink()
    bundle = b""
    for name in (*_listed(root), *_local(root)):
        content = (root / name).read_bytes()
        bundle += content if content.endswith(b"\n") else content + b"\n"
        pem = _link_name(name)
        (target / pem).unlink(missing_ok=True)
        (target / pem).symlink_to(f"/{name}")
        # The links are absolute, so they lead nowhere from here; openssl gets copies.
        (scratch / pem).write_bytes(content)
    tools.run(Command(["openssl", "rehash", str(scratch)]))
    for path in scratch.iterdir():
        if path.is_symlink():
            (target / path.name).unlink(missing_ok=True)
            path.rename(target / path.name)
    (target / _BUNDLE).write_bytes(bundle)
    (target / _BUNDLE).chmod(0o644)
    remove_tree(scratch)


def _listed(root: Path) -> Iterator[Path]:
    for line in (root / LIST).read_text().splitlines():
        if line and line[0] not in "#!":
            if not (root / _PACKAGED / line).is_file():
                raise InvalidInput(f"{LIST}: no such certificate: {line!r}")
            yield _PACKAGED / line


def _local(root: Path) -> Iterator[Path]:
    for path in sorted((root / _LOCAL).rglob("*.crt")):
        name = path.relative_to(root)
        try:
            found = len(x509.load_pem_x509_certificates(path.read_bytes()))
        except ValueError as error:
            raise InvalidInput(
                f"{name}: not a certificate in PEM form",
                hint="`openssl x509 -inform der -in FILE -out FILE.crt` makes one of a DER file",
            ) from error
        if found != 1:
            raise InvalidInput(
                f"{name}: {found} certificates in one file, expected one",
                hint="put each into a file of its own",
            )
        yield name


def _is_made(path: Path) -> bool:
    places = tuple(f"/{place}/" for place in (_PACKAGED, _LOCAL))
    return bool(_HASH.fullmatch(path.name)) or str(path.readlink()).startswith(places)


def _link_name(name: Path) -> str:
    stem = name.name.removesuffix(".crt")
    return stem.translate(str.maketrans(" (),", "_==_")) + ".pem"
