"""One writer at a time: the lock over a repository."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from hostio.files import lock
from osmodel.faults import InvalidInput


def locked(repository: Path) -> AbstractContextManager[None]:
    """Hold the repository against other writers; readers do not care.

    Raises:
        InvalidInput: no such directory.
        TransientFailure: another ``update-mirror`` holds it.
    """
    if not repository.is_dir():
        raise InvalidInput(f"{repository}: no such directory")
    return lock.locked(repository, busy=f"{repository} is being changed by another update-mirror")
