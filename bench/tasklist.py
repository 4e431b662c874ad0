"""Lists the processes of a machine as JSON; sent to the guest and run there alone.

Leaves out itself, its ancestors up to the service that accepted the session,
and kernel threads, which have no memory of their own.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_SIZE = re.compile(r"^(Pss|Private_Clean|Private_Dirty):\s+(\d+) kB", re.MULTILINE)


def tasks() -> Iterator[dict[str, object]]:
    """One entry per process; sizes in KiB."""
    left_out = _session()
    for place in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            if not command or place.name in left_out:
                continue
            sizes = dict.fromkeys(("Pss", "Private_Clean", "Private_Dirty"), 0)
            for name, kib in _SIZE.findall((place / "smaps_rollup").read_text()):
                sizes[name] += int(kib)
            yield {
                "cgroup": (place / "cgroup").read_text().strip().rpartition(":")[2],
                "pss": sizes["Pss"],
                "private": sizes["Private_Clean"] + sizes["Private_Dirty"],
                "command": command,
            }


def _session() -> set[str]:
    """This process and its ancestors, but PID 1 and the daemon that listens."""
    chain = []
    number = str(os.getpid())
    while number != "1":
        chain.append(number)
        status = (_PROC / number / "stat").read_text()
        number = status.rpartition(")")[2].split()[1]
    return set(chain[:-1])


if __name__ == "__main__":
    print(json.dumps(list(tasks())))
