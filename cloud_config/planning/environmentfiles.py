"""Files of ``NAME=value`` lines that others write as well: only our names are touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloud_config.planning.rendering import render

NOTE = "# By cloud-config:"
"""Line before each setting of ours in a file that is not ours alone."""


def merged(present: Sequence[str], settings: Mapping[str, str], *, note: str = "") -> bytes:
    """The lines without those that set one of our names, and our settings below.

    Raises:
        InvalidInput: a line or value has a control character.
    """
    kept = [text for text in present if text.partition("=")[0].strip() not in settings]
    return render(
        "lines-and-environment", kept=kept, environment=sorted(settings.items()), note=note
    )


def without_ours(present: Sequence[str]) -> list[str]:
    """The lines as they were before: each noted setting is taken out with its note.

    Without this, a setting that a document no longer has would stay for ever.
    """
    kept: list[str] = []
    skip = False
    for text in present:
        if not skip and not text.startswith(NOTE):
            kept.append(text)
        skip = text.startswith(NOTE)
    return kept
