"""Every command, driven into its failures: an exit status and a line, never a traceback.

Nothing here changes this machine: ``apply`` is only given what it refuses to read.
"""

from __future__ import annotations

import os
import subprocess  # noqa: TID251 - streams of a process are what is tested
import sys
from pathlib import Path

import pytest

from hostio.system.commandline import READER_LEFT
from osmodel.faults import HostFailure, InvalidInput, TransientFailure, UntrustedData
from tests.checkout import ROOT

FULL = Path("/dev/full")
KNOWN = {
    0,
    1,
    READER_LEFT,
    *(kind.exit_status for kind in (HostFailure, InvalidInput, TransientFailure, UntrustedData)),
}
UNREADABLE = ("directory", "loop", "missing", "good/below", "n" * 300)
NEW, OLD = "main", "coreos_cloudinit"
DOCUMENT = """#cloud-config
höstname: größe
write_files: [{path: /etc/größe, content: x}, {path: /etc/größe, encoding: gz, content: x}]
users: [{name: a, ssh_authorized_keys: [github:größe]}]
coreos: {units: [{name: größe.service, command: start}, {name: x.service, command: start}]}
ca_certs: {trusted: [größe]}
"""


def files(tmp_path: Path) -> dict[str, str]:
    contents: dict[str, bytes] = {
        "good": DOCUMENT.encode(),
        "empty": b"",
        "nul": bytes(100),
        "latin": b"#cloud-config\nhostname: \xe4\n",
        "gzip": b"\x1f\x8b\x08broken",
        "broken": b"#cloud-config\n{",
        "ignition": b'{"ignition": {"version": "3.4.0"}}',
        "json": b"[" * 1000,
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "directory").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    names = (*contents, *UNREADABLE)
    return {name: str(tmp_path / name) for name in names}


def command_lines(at: dict[str, str]) -> list[tuple[str, list[str]]]:
    made: list[tuple[str, list[str]]] = []
    for name, path in at.items():
        made += [
            (NEW, ["validate", path]),
            (NEW, ["validate", "--json", path]),
            (NEW, ["plan", path]),
            (OLD, ["-from-file", path, "-validate"]),
        ]
        if name in UNREADABLE:
            made += [(NEW, ["apply", path]), (OLD, ["-from-file", path])]
        made.append((NEW, ["plan", at["good"], "--metadata", path]))
    made += [(NEW, [verb]) for verb in ("schema", "status", "sources", "--help", "nonsense", "-x")]
    made += [(NEW, [verb, "--json"]) for verb in ("plan", "status", "sources")]
    made += [(NEW, [verb, "--help"]) for verb in ("validate", "plan", "apply", "status", "diff")]
    made += [(OLD, [flag]) for flag in ("-version", "-help", "-validate", "-oem=x", "--from-fiel")]
    made += [(OLD, ["-from-url", url, "-validate"]) for url in ("", "nonsense", "http://[::1:x/")]
    made += [(OLD, ["-from-configdrive", at["directory"]]), (OLD, []), (NEW, [])]
    return made


def ended(entry: str, words: list[str], stdout: int, **environment: str) -> tuple[int, str]:
    code = f"import sys; from cloud_config.cli import {entry}; sys.exit({entry}(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
        check=False,
        timeout=60,
    )
    return done.returncode, done.stderr.decode(errors="replace")


def wrong(entry: str, words: list[str], stdout: int, **environment: str) -> str:
    status, said = ended(entry, words, stdout, **environment)
    is_wrong = "Traceback" in said or "Exception ignored" in said or status not in KNOWN
    return f"{entry} {words}: {status} {said}" if is_wrong else ""


@pytest.mark.slow
def test_no_command_ends_in_a_traceback(tmp_path: Path) -> None:
    lines = command_lines(files(tmp_path))
    found = [wrong(entry, words, subprocess.DEVNULL) for entry, words in lines]
    assert not list(filter(None, found))


OUTPUT = [
    (NEW, ["validate", "good"]),
    (NEW, ["validate", "--json", "good"]),
    (NEW, ["plan", "good"]),
    (NEW, ["plan", "--json", "good"]),
    (NEW, ["schema"]),
    (NEW, ["sources"]),
    (NEW, ["status"]),
    (NEW, ["--help"]),
    (OLD, ["-from-file", "good", "-validate"]),
    (OLD, ["-version"]),
]


@pytest.mark.parametrize(("entry", "words"), OUTPUT, ids=str)
def test_a_full_disk_is_said_in_a_line(entry: str, words: list[str], tmp_path: Path) -> None:
    at = files(tmp_path)
    with FULL.open("wb") as full:
        status, said = ended(entry, [at.get(word, word) for word in words], full.fileno())
    assert status == HostFailure.exit_status
    assert said.splitlines()[0].endswith("standard output: No space left on device")


@pytest.mark.parametrize(("entry", "words"), OUTPUT, ids=str)
def test_a_reader_that_left_is_no_failure(entry: str, words: list[str], tmp_path: Path) -> None:
    at = files(tmp_path)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        status, said = ended(entry, [at.get(word, word) for word in words], writer)
    finally:
        os.close(writer)
    assert (status, said) == (READER_LEFT, "")


@pytest.mark.parametrize(("entry", "words"), OUTPUT, ids=str)
def test_a_terminal_of_ascii_gets_all_of_it(entry: str, words: list[str], tmp_path: Path) -> None:
    at = files(tmp_path)
    words = [at.get(word, word) for word in words]
    assert not wrong(entry, words, subprocess.DEVNULL, PYTHONIOENCODING="ascii", LC_ALL="C")
