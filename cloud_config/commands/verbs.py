"""What ``add`` of each subcommand takes."""

from __future__ import annotations

import argparse
from typing import Protocol


class Verbs(Protocol):
    """Where a subcommand's parser is made; :mod:`argparse` has no public name for it."""

    def add_parser(
        self,
        name: str,
        *,
        help: str | None = None,  # noqa: A002 - the name that argparse gave it
        description: str | None = None,
        epilog: str | None = None,
    ) -> argparse.ArgumentParser:
        """A parser below the program's own."""
