"""From user data to a plan takes no more than 128 MiB, nor more than a while.

The limit is the address space of a child, Python and its libraries included:
what does not fit ends it.
"""

import base64
import gzip
import sys
from pathlib import Path

import pytest

from cloud_config.document.budget import MAX_BYTES
from hostio.system.runner import Command, LocalRunner
from tests.checkout import ROOT

pytestmark = pytest.mark.slow
LIMIT = 128 << 20
# Of the processor. The slowest takes three on an idle machine; without its bound, hours.
SECONDS = 20
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
KEY = b"ssh-ed25519 " + b"A" * 68
DAMAGED = bytearray(gzip.compress(bytes(8 << 20)))
DAMAGED[-5] ^= 1
LARGE = base64.b64encode(gzip.compress(bytes(range(256)) * (7 << 12)))
WIDE = "\U0001f600".encode()  # every other character of the text takes four bytes as well


def aliased(text: bytes, item: bytes, times: int, key: bytes) -> bytes:
    """A text once, and a list with so many aliases of it."""
    return HEADER + b"a: &a " + text + b"\n" + key + b":\n" + item * times


def counted(head: bytes, item: bytes, times: int) -> bytes:
    return HEADER + head + b"".join(item % number for number in range(times))


FILE = b"- {path: /etc/x, content: *a}\n"
PACKED_FILE = b"- {path: /etc/x, encoding: gz+b64, content: *a}\n"
OPTION = b"'" + WIDE + b'"\\$`' * 240_000 + b"'"
SHARED = {
    "a text of 10 KB and 49,000 aliases": aliased(
        b"x" * 10_000, b"- *a\n", 49_000, b"ssh_authorized_keys"
    ),
    "the same, packed": gzip.compress(
        aliased(b"x" * 10_000, b"- *a\n", 49_000, b"ssh_authorized_keys")
    ),
    "a text of 500 KB": filled(b"x", b"write_files: [{path: /etc/x, content: '", b"'}]")[:500_000],
    "a text of 500 KB and aliases": aliased(
        b"x" * 500_000, b"- *a\n", 400, b"ssh_authorized_keys"
    ),
    "files of a wide text": aliased(b"'" + WIDE + b"x" * 1_000_000 + b"'", FILE, 3, b"write_files"),
    "files of one damaged archive": aliased(
        base64.b64encode(DAMAGED), PACKED_FILE, 300, b"write_files"
    ),
    "files of a small damaged archive": aliased(
        base64.b64encode(gzip.compress(bytes(90_000))[:-4] + b"1234"),
        PACKED_FILE,
        12_000,
        b"write_files",
    ),
    "files of a large archive": aliased(LARGE, PACKED_FILE, 300, b"write_files"),
    "users of one key": counted(
        b"k: &k [" + KEY + b"]\nusers:\n", b"- {name: u%d, ssh_authorized_keys: *k}\n", 16_000
    ),
    "users of one long key": counted(
        b"k: &k [" + KEY * 1000 + b"]\nusers:\n",
        b"- {name: u%d, ssh_authorized_keys: *k}\n",
        2_000,
    ),
    "disks": HEADER + b"storage:\n filesystems:\n"
    + b"".join(b" - {device: /dev/v%d, path: /var/%d}\n" % (n, n) for n in range(14_000)),
    "units, enabled and started": counted(
        b"coreos:\n units:\n",
        b" - {name: a%d.service, content: x, enable: y, command: start}\n",
        11_000,
    ),
    "quadlets": counted(
        b"podman:\n quadlets:\n", b" - {name: a%d.container, content: x}\n", 15_000
    ),
    "time servers": HEADER + b"ntp: {servers: [" + b"a," * 90_000 + b"a]}\n",
    "long options": HEADER
    + b"a: &a " + OPTION
    + b"\ncoreos:\n flannel: {etcd_endpoints: *a, etcd_prefix: *a, interface: *a}\n",
    "endpoints": HEADER + b"coreos:\n locksmith: {endpoint: '" + b"a," * 500_000 + b"'}\n",
    "documents in parts": b"Content-Type: multipart/mixed; boundary=a\n\n"
    + (b"--a\nContent-Type: text/cloud-config\n\nwrite_files:\n" + b"- {path: /etc/x}\n" * 900)
    * 60
    + b"\n--a--\n",
}  # fmt: skip
HOSTILE = SHARED | {
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
from cloud_config.planning.facts import Facts
from cloud_config.planning.record import Record
from cloud_config.prepare import prepare
began = time.process_time()
prepared = prepare(open(sys.argv[1], "rb").read(), Facts())
prepared.actions(Record())
seconds = time.process_time() - began
assert len(prepared.findings) <= 501
print(int(re.search("VmHWM:(.*)kB", open("/proc/self/status").read())[1]) * 1024, seconds)
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_the_worst_documents_fit_into_128_mib(name: str, tmp_path: Path) -> None:
    assert len(HOSTILE[name]) <= MAX_BYTES
    file = tmp_path / "user-data"
    file.write_bytes(HOSTILE[name])
    argv = [sys.executable, "-c", CHILD, str(file)]
    size, seconds = LocalRunner().run(Command(argv, cwd=ROOT, timeout=300)).split()
    assert int(size) < LIMIT
    assert float(seconds) < SECONDS
