"""Open the configured repository with the root of trust of this image."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from hostio.net.locations import fetcher_for
from hostio.system.clock import Clock
from osmodel.faults import HostFailure, InvalidInput
from update_engine.repository.client import Repository

_NOWHERE = "/nonexistent"  # for machines that are only updated from files


def open_repository(
    url: str, root: Path, cache: Path, clock: Clock, *, proxy: str = ""
) -> Repository:
    """The repository at ``url``, without asking it anything yet.

    Args:
        url: as configured; may be empty when only its keys are wanted.
        root: TUF root of trust in the image.
        cache: where accepted metadata is kept.
        clock: time of this machine.
        proxy: as configured.

    Raises:
        InvalidInput: no root of trust in the image, or a bad address
            of the repository or the proxy.
        HostFailure: the root of trust cannot be read.
    """
    try:
        trusted = root.read_bytes()
        # Files of an image carry the time of its build: a clock behind it is wrong.
        built = datetime.fromtimestamp(root.stat().st_mtime, UTC)
    except FileNotFoundError as error:
        raise InvalidInput(
            f"{root}: this image has no root of trust, so no update can be accepted",
            hint="build it with --trust-root",
        ) from error
    except OSError as error:
        raise HostFailure(f"{root}: {error.strerror}") from error
    location = url or _NOWHERE
    fetcher = fetcher_for(location, clock, proxy=proxy)
    return Repository(location, trusted, cache, fetcher, clock, not_before=built)
