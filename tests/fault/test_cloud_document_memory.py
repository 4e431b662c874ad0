"""No user data takes more than 128 MiB to read, nor more than a while.

The limit is the address space of a child, Python and its libraries included:
what does not fit ends it.
"""

import base64
import gzip
import sys
from pathlib import Path

import pytest

from cloud_config.document.yamltree import MAX_BYTES
from hostio.system.runner import Command, LocalRunner
from tests.checkout import ROOT

LIMIT = 128 << 20
# The slowest takes three on an idle machine; without its bound, hours.
SECONDS = 60
HEADER = b"#cloud-config\n"


def filled(unit: bytes, head: bytes = b"", tail: bytes = b"") -> bytes:
    """A document of the largest size: head, as many units as fit, tail."""
    times = (MAX_BYTES - len(HEADER) - len(head) - len(tail)) // len(unit)
    return HEADER + head + unit * times + tail


def numbered(template: bytes) -> bytes:
    lines = b"".join(template % number for number in range(MAX_BYTES // len(template)))
    return (HEADER + lines)[:MAX_BYTES]


PACKED = base64.b64encode(gzip.compress(bytes(8 << 20)))
BOMB = base64.encodebytes(gzip.compress(b"#!" + bytes(MAX_BYTES - 2)))
LAUGHS = b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 40)
)
MERGES = b"".join(
    b"a%d: &a%d {<<: [*a%d, *a%d], k%d: 1}\n" % (n, n, n - 1, n - 1, n) for n in range(1, 5000)
)
HOSTILE = {
    "list": filled(b"- a\n"),
    "keys": numbered(b"k%d: 1\n"),
    "anchors": numbered(b"- &a%d x\n"),
    "brackets": filled(b"["),
    "braces": filled(b"{"),
    "dashes": filled(b"- "),
    "questions": filled(b"? "),
    "empty mappings": filled(b"{},", b"x: [", b"]"),
    "one scalar": filled(b"a", b"x: "),
    "one key": filled(b"a", b"", b": 1"),
    "escapes": filled(b"\\x41", b'x: "', b'"'),
    "block": filled(b" a\n", b"x: |\n"),
    "comments": filled(b"# c\n"),
    "directives": filled(b"%a\n"),
    "documents": filled(b"---\n"),
    "ends": filled(b"...\n"),
    "tabs": filled(b"\t"),
    "returns": filled(b"\r"),
    "separators": filled("\u2028".encode()),
    "zeros": filled(b"\0"),
    "laughs": HEADER + b"a0: &a0 [x]\n" + LAUGHS,
    "merges": HEADER + b"a0: &a0 {x: 1}\n" + MERGES,
    "dashes far above": HEADER + b"users:\n-\n" + b" # c\n" * 150_000 + b" name: x\n",
    "units": filled(b"  - {name: a.service, content: x}\n", b"coreos:\n units:\n"),
    "typing errors": filled(b"  - {name: a, nmae: b}\n", b"users:\n"),
    "unknown keys": numbered(b"hostnam%d: 1\n"),
    "private keys": filled(b"- PRIVATE KEY\n", b"ssh_authorized_keys:\n"),
    "addresses": filled(b"$public_ipv4\n"),
    "length": filled(b"1.", b"coreos: {locksmith: {window_length: '", b"'}}"),
    "start": filled(b"0", b"coreos: {locksmith: {window_start: '", b"'}}"),
    "number": filled(b"9", b"coreos: {fleet: {verbosity: ", b"}}"),
    "host name": filled(b"a.", b"hostname: '", b"!'"),
    "path": filled(b"../", b"write_files: [{path: /etc/", b"x}]"),
    "hash": filled(b"$a", b"users: [{name: a, passwd: '", b"'}]"),
    "files": filled(
        b"- {path: /etc/x, encoding: gz+b64, content: " + PACKED + b"}\n", b"write_files:\n"
    ),
    "packed": gzip.compress(filled(b"- a\n")),
    "bomb": gzip.compress(bytes(64 << 20)),
    "members": gzip.compress(b"") * 50_000,
    "ignition": b'{"ignition":' + b"[" * (MAX_BYTES - 20),
    "parts": b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\nx\n" * 140_000,
    "nested parts": b"".join(
        b"Content-Type: multipart/mixed; boundary=a%d\n\n--a%d\n" % (n, n) for n in range(15_000)
    ),
    "packed parts": b"Content-Type: multipart/mixed; boundary=a\n\n"
    + (b"--a\nContent-Type: application/gzip\nContent-Transfer-Encoding: base64\n\n" + BOMB) * 60
    + b"\n--a--\n",
}  # fmt: skip

# VmHWM and not ru_maxrss, which begins with what the parent had at the fork.
CHILD = f"""
import re, resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, ({LIMIT}, {LIMIT}))
from cloud_config.document.interpreting import interpret
began = time.monotonic()
interpret(open(sys.argv[1], "rb").read(), {{}})
seconds = time.monotonic() - began
print(int(re.search("VmHWM:(.*)kB", open("/proc/self/status").read())[1]) * 1024, seconds)
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_the_worst_documents_fit_into_128_mib(name: str, tmp_path: Path) -> None:
    assert len(HOSTILE[name]) <= MAX_BYTES
    file = tmp_path / "user-data"
    file.write_bytes(HOSTILE[name])
    argv = [sys.executable, "-c", CHILD, str(file)]
    size, seconds = LocalRunner().run(Command(argv, cwd=ROOT)).split()
    assert int(size) < LIMIT
    assert float(seconds) < SECONDS
