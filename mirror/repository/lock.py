"""One writer at a time: the lock over a repository."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from osmodel.faults import InvalidInput, TransientFailure


@contextmanager
def locked(repository: Path) -> Iterator[None]:
    """Hold the repository against other writers; readers do not care.

    Raises:
        InvalidInput: no such directory.
        TransientFailure: another ``update-mirror`` holds it.
    """
    try:
        descriptor = os.open(repository, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise InvalidInput(f"{repository}: {error.strerror}") from error
    try:
        _take(descriptor, repository)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, repository: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise TransientFailure(f"{repository} is being changed by another update-mirror") from error
