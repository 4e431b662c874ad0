"""Repository metadata kept between checks: what protects against rollback.

Plain files under one directory: ``N.root.json`` for each root after the
image's, ``timestamp.json``, ``snapshot.json``, ``targets.json``. Each is
replaced whole, and written as soon as it was verified, whatever becomes of the
others: what a mirror has shown once it cannot hide again. What was refused is
never written.

A power cut between two files leaves a mixture of verified files; the next
refresh verifies each again and fetches what does not fit.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from hostio.files.durable import replace_file
from osmodel.faults import HostFailure

ROLES = ("timestamp", "snapshot", "targets")
LONGEST = 8 << 20  # bytes; no metadata file may be larger
_MOST_ROOTS = 256
# Not there, or something we did not put there.
_ABSENT = {errno.ENOENT, errno.ELOOP, errno.ENXIO}


class MetadataCache:
    """The files below ``directory``, which need not exist yet."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def roots(self, after: int) -> dict[int, bytes]:
        """Roots of consecutive versions from ``after + 1`` on, unverified."""
        found: dict[int, bytes] = {}
        for version in range(after + 1, after + _MOST_ROOTS):
            content = self._read(f"{version}.root.json")
            if content is None:
                break
            found[version] = content
        return found

    def roles(self) -> dict[str, bytes]:
        """The other roles that are there, unverified."""
        found = {role: self._read(f"{role}.json") for role in ROLES}
        return {role: content for role, content in found.items() if content is not None}

    def keep_roots(self, links: Mapping[int, bytes]) -> None:
        """Store verified roots that are not there yet, oldest first.

        Raises:
            HostFailure: the file system refused.
        """
        for version in sorted(links):
            self._replace(f"{version}.root.json", links[version])

    def keep_roles(self, roles: Mapping[str, bytes]) -> None:
        """Store verified roles, in the order in which they were verified.

        Raises:
            HostFailure: the file system refused.
        """
        for role in ROLES:
            if role in roles:
                self._replace(f"{role}.json", roles[role])

    def _read(self, name: str) -> bytes | None:
        path = self._directory / name
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise HostFailure(f"{path}: {error.strerror}") from error
        try:
            # A tampered state partition must not block us or fill our store.
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            with os.fdopen(os.dup(descriptor), "rb") as file:
                content = file.read(LONGEST + 1)
        except OSError as error:
            raise HostFailure(f"{path}: {error.strerror}") from error
        finally:
            os.close(descriptor)
        return content if len(content) <= LONGEST else None

    def _replace(self, name: str, content: bytes) -> None:
        if self._read(name) != content:
            replace_file(self._directory / name, content, mode=0o600)
